"""`backup` refuses to do harm, and says why."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flashnotify.cli import app
from flashnotify.errors import BackupFailed
from flashnotify.settings import ServiceConfig

ARCHIVE = Path("var/flashnotify.db")
SECRET = Path("var/flashnotify.db.secret")


@pytest.fixture
def archive() -> None:
    """An archive with its secret key, in the working directory."""
    ARCHIVE.parent.mkdir()
    ServiceConfig().pepper()
    with closing(sqlite3.connect(ARCHIVE)) as connection:
        connection.execute("CREATE TABLE notifications (id)")


def backup(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["backup", *arguments])


def refused(*arguments: str) -> str:
    result = backup(*arguments)
    assert isinstance(result.exception, BackupFailed)
    assert result.output == ""
    return str(result.exception)


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal", ".lock", ".sock"])
def test_files_beside_the_archive_are_not_replaced(suffix: str) -> None:
    part = Path(f"{ARCHIVE}{suffix}")
    part.write_text("in use")
    assert "is part of the archive" in refused("--force", str(part))
    assert part.read_text() == "in use"


@pytest.mark.usefixtures("archive")
def test_it_overwrites_only_when_told_to(tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    target.chmod(0o644)
    assert "--force" in refused("copy.db")
    assert target.read_text() == "precious"
    assert backup("--force", "copy.db").exit_code == 0
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT count(*) FROM notifications").fetchone() == (0,)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    # A key alone is precious too.
    target.unlink()
    assert "copy.db.secret exists" in refused("copy.db")
    assert not target.exists()


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize(
    ("target", "said"),
    [
        (f"{ARCHIVE}", "is the archive itself"),
        (f"{SECRET}", "is the archive itself"),
        ("link.db", "is the archive itself"),
        ("nowhere/copy.db", "There is no folder"),
        ("/dev/null/copy.db", "There is no folder"),
        ("var", "is a folder"),
        ("used.db", "used.db-wal exists"),
    ],
)
def test_it_refuses_to_do_harm(tmp_path: Path, target: str, said: str) -> None:
    (tmp_path / "used.db-wal").touch()
    (tmp_path / "link.db").symlink_to(ARCHIVE)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert said in refused("--force", target)
    after = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert after == before


def test_without_an_archive_it_says_so_and_makes_none(tmp_path: Path) -> None:
    assert "FLASHNOTIFY_DATABASE_URL" in refused("copy.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("archive")
def test_a_key_that_is_set_is_not_in_it_and_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SECRET.unlink()
    monkeypatch.setenv("FLASHNOTIFY_SECRET_KEY", "k" * 40)
    result = backup("copy.db")
    assert "does not contain FLASHNOTIFY_SECRET_KEY" in result.output
    assert "k" * 40 not in result.output
    assert not (tmp_path / "copy.db.secret").exists()
