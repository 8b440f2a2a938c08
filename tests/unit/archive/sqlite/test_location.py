"""The archive's place, which commands find without reading all settings."""

from pathlib import Path

import pytest

from flashnotify.archive.sqlite.location import configured_archive
from flashnotify.settings import ServiceConfig

VARIABLE = "FLASHNOTIFY_DATABASE_URL"


@pytest.mark.parametrize(
    "url", ["sqlite:///other.db", "sqlite:////srv/a b/é+1.db", "sqlite:///../x/y.sqlite"]
)
def test_it_agrees_with_the_settings(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, url)
    assert configured_archive() == ServiceConfig().archive_file


@pytest.mark.parametrize("name", [VARIABLE, VARIABLE.lower()])
def test_it_reads_the_env_file_unless_the_environment_has_the_setting(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert configured_archive() == ServiceConfig().archive_file
    (tmp_path / ".env").write_text(f"{name}=sqlite:///from/file.db\n")
    assert configured_archive() == ServiceConfig().archive_file == Path("from/file.db")
    monkeypatch.setenv(name, "sqlite:///from/environment.db")
    assert configured_archive() == ServiceConfig().archive_file == Path("from/environment.db")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite:///a.db?timeout=5",
        "sqlite+aiosqlite:///a.db",
        "sqlite:///:memory:",
        "sqlite:///a%20b.db",
    ],
)
def test_it_leaves_unusual_settings_to_the_settings(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, url)
    assert configured_archive() is None
