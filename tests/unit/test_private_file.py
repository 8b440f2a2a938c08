"""Private files: for their owner alone, whole or absent, created once."""

import os
import stat
from pathlib import Path

import pytest

from flashnotify import private_file
from flashnotify.private_file import read_or_create, replacing


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_content_stays(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret"
    assert read_or_create(path, lambda: b"first") == b"first"
    assert read_or_create(path, lambda: b"second") == b"first"
    assert path.read_bytes() == b"first"
    assert [path] == list(path.parent.iterdir())


def test_only_the_owner_may_read_it_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        read_or_create(tmp_path / "created", lambda: b"x")
        with replacing(tmp_path / "replaced") as draft:
            assert mode(draft) == 0o600
            draft.write_bytes(b"x")
    finally:
        os.umask(before)
    assert mode(tmp_path / "created") == mode(tmp_path / "replaced") == 0o600


def test_the_loser_of_a_race_gets_the_winners_content(tmp_path: Path) -> None:
    path = tmp_path / "secret"

    def overtaken() -> bytes:
        path.write_bytes(b"winner")
        return b"loser"

    assert read_or_create(path, overtaken) == b"winner"
    assert [path] == list(tmp_path.iterdir())


def test_a_failure_before_the_end_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(private_file, "_sync", full)
    with pytest.raises(OSError, match="disk full"):
        read_or_create(tmp_path / "secret", lambda: b"x")
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_only_by_a_complete_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")

    def fail() -> None:
        with replacing(path) as draft:
            draft.write_bytes(b"ne")
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        fail()
    assert path.read_bytes() == b"old"
    with replacing(path) as draft:
        draft.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [path] == list(tmp_path.iterdir())
