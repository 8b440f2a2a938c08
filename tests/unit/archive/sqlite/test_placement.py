"""An archive in memory, or one that is new beside an old key, is doubted."""

import os
from pathlib import Path

import pytest

from flashnotify.archive.sqlite.placement import location_warnings


@pytest.mark.parametrize(("kind", "doubted"), [("tmpfs", 1), ("ramfs", 1), ("ext4", 0)])
def test_an_archive_in_memory_is_doubted(tmp_path: Path, kind: str, doubted: int) -> None:
    device = tmp_path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"36 35 0:999 / /other rw - proc proc rw\n"
        f"37 35 {number} / /mnt rw,noatime shared:1 - {kind} none rw\n"
    )
    found = list(location_warnings(tmp_path / "var" / "a.db", tmp_path / "key", mounts=mounts))
    assert len(found) == doubted
    assert all("lost when the machine restarts" in warning for warning in found)


def test_unknown_file_systems_are_not_doubted(tmp_path: Path) -> None:
    assert not list(
        location_warnings(tmp_path / "a.db", tmp_path / "key", mounts=tmp_path / "nowhere")
    )


def test_a_new_archive_beside_an_old_key_is_doubted(tmp_path: Path) -> None:
    archive, key, nowhere = tmp_path / "a.db", tmp_path / "a.db.secret", tmp_path / "nowhere"
    key.touch()
    for _ in range(2):
        (warning,) = location_warnings(archive, key, mounts=nowhere)
        assert f"{archive} is new, though a.db.secret beside it is not" in warning
        archive.touch()
    archive.write_bytes(b"x")
    assert not list(location_warnings(archive, key, mounts=nowhere))
