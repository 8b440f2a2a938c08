"""The findings of `doctor`, one at a time."""

import shutil
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from flashnotify.archive import schema
from flashnotify.cli.doctor import transports
from flashnotify.cli.doctor.configuration import (
    doubtful_findings,
    key_findings,
    setting_findings,
)
from flashnotify.cli.doctor.database import archive_findings
from flashnotify.cli.doctor.findings import Finding
from flashnotify.cli.doctor.serving import _transports
from flashnotify.cli.doctor.transports import transport_findings
from flashnotify.settings import ServiceConfig
from tests.support.http_server import HttpServer, Reply
from tests.support.smtp_server import HANG, SmtpServer

ARCHIVE = Path("var/flashnotify.db")


def by_part(findings: Iterable[Finding]) -> dict[str, Finding]:
    found = list(findings)
    assert all(finding.remedy for finding in found if finding.state != "ok")
    return {finding.part: finding for finding in found}


def states(findings: Iterable[Finding]) -> dict[str, str]:
    return {part: str(finding.state) for part, finding in by_part(findings).items()}


@pytest.fixture
async def archive() -> Path:
    """A new archive, in the working directory."""
    await schema.upgrade(ServiceConfig().archive)
    ARCHIVE.chmod(0o600)
    return ARCHIVE


def execute(*statements: str) -> None:
    with closing(sqlite3.connect(ARCHIVE, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_settings_that_work() -> None:
    (found,) = setting_findings()
    assert found.state == "ok"


def test_each_setting_that_cannot_work_is_named_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_WORKERS", "many")
    monkeypatch.setenv("FLASHNOTIFY_SMTP_TIMEOUT", "-1")
    monkeypatch.setenv("FLASHNOTIFY_SECRET_KEY", "hunter2")
    found = by_part(setting_findings())
    assert set(found) == {
        "FLASHNOTIFY_WORKERS",
        "FLASHNOTIFY_SMTP_TIMEOUT",
        "FLASHNOTIFY_SECRET_KEY",
    }
    assert {finding.state for finding in found.values()} == {"failed"}
    assert found["FLASHNOTIFY_WORKERS"].remedy == "Example: FLASHNOTIFY_WORKERS=16"
    assert "hunter2" not in str(found)


def test_names_that_set_nothing_are_found_in_the_environment_and_in_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_EMIAL_URL", "capture://")
    (tmp_path / ".env").write_text("FLASHNOTIFY_WROKERS=4\nOTHER=1\n")
    found = by_part(setting_findings())
    assert {part: finding.state for part, finding in found.items()} == {
        "FLASHNOTIFY_EMIAL_URL": "failed",
        "FLASHNOTIFY_WROKERS": "failed",
    }
    assert "FLASHNOTIFY_EMAIL_URL?" in str(found["FLASHNOTIFY_EMIAL_URL"].remedy)
    assert "FLASHNOTIFY_WORKERS?" in str(found["FLASHNOTIFY_WROKERS"].remedy)


def test_settings_that_are_hardly_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(states(doubtful_findings(ServiceConfig()))) == {"FLASHNOTIFY_TIMEZONE"}
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_URL", "capture:// smtp://mail.univ.example")
    monkeypatch.setenv("FLASHNOTIFY_LOCALE", "de")
    found = by_part(doubtful_findings(ServiceConfig()))
    assert {finding.state for finding in found.values()} == {"warning"}
    assert set(found) == {
        "FLASHNOTIFY_EMAIL_FROM",
        "FLASHNOTIFY_TIMEZONE",
        "FLASHNOTIFY_LOCALE",
    }
    assert "FLASHNOTIFY_EMAIL_FROM='Campus <" in str(found["FLASHNOTIFY_EMAIL_FROM"].remedy)
    assert "FLASHNOTIFY_TIMEZONE=Europe/Paris" in str(found["FLASHNOTIFY_TIMEZONE"].remedy)
    assert "FLASHNOTIFY_LOCALE=en or fr" in str(found["FLASHNOTIFY_LOCALE"].remedy)


@pytest.mark.parametrize(("issuer", "expected"), [("", ["warning"]), ("https://x.example", [])])
def test_somebody_can_sign_in(
    monkeypatch: pytest.MonkeyPatch, issuer: str, expected: list[str]
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_PASSWORD_SIGN_IN", "false")
    if issuer:
        monkeypatch.setenv("FLASHNOTIFY_OIDC_ISSUER", issuer)
        monkeypatch.setenv("FLASHNOTIFY_OIDC_CLIENT_SECRET", "x" * 32)
    found = doubtful_findings(ServiceConfig())
    part = "FLASHNOTIFY_PASSWORD_SIGN_IN"
    assert [finding.state for finding in found if finding.part == part] == expected


def test_settings_that_are_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "EMAIL_URL": "smtp://mail.univ.example",
        "EMAIL_FROM": "Campus <noreply@u-paris.fr>",
        "TIMEZONE": "UTC",
        "LOCALE": "fr-CA",
    }.items():
        monkeypatch.setenv(f"FLASHNOTIFY_{name}", value)
    assert states(doubtful_findings(ServiceConfig())) == {}


@pytest.mark.parametrize(
    ("sms", "public", "warned"),
    [
        ("kannel://user:x@10.0.0.5:13013", "http://127.0.0.1:8000", True),
        ("kannel://user:x@10.0.0.5:13013", "https://notify.univ.example", False),
        ("kannel://user:x@127.0.0.1:13013", "http://127.0.0.1:8000", False),
        ("https+json://sms.example/send", "http://127.0.0.1:8000", False),
    ],
)
def test_kannel_elsewhere_needs_a_public_url(
    monkeypatch: pytest.MonkeyPatch, sms: str, public: str, warned: bool
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_SMS_URL", sms)
    monkeypatch.setenv("FLASHNOTIFY_PUBLIC_URL", public)
    found = states(doubtful_findings(ServiceConfig()))
    assert ("FLASHNOTIFY_PUBLIC_URL" in found) is warned


@pytest.mark.parametrize(("status", "state"), [(405, "ok"), (501, "ok"), (503, "failed")])
async def test_a_gateway_without_head_works(
    monkeypatch: pytest.MonkeyPatch, status: int, state: str
) -> None:
    async with HttpServer(Reply(status)) as gateway:
        monkeypatch.setenv("FLASHNOTIFY_SMS_URL", f"http+json://{gateway.host}/sms")
        found, _ = await transport_findings(ServiceConfig(), ())
    assert states(found)[f"sms http+json://{gateway.host}"] == state


def test_keys_that_others_can_get_at_fail() -> None:
    config = ServiceConfig()
    assert states(key_findings(config)) == {"secret key": "ok"}
    assert not ARCHIVE.parent.exists()
    ARCHIVE.parent.mkdir()
    config.pepper()
    config.beside("vapid.pem").touch(0o600)
    assert states(key_findings(config)) == {"secret key": "ok", "Web Push key": "ok"}
    for name in ("secret", "vapid.pem"):
        config.beside(name).chmod(0o640)
    found = by_part(key_findings(config))
    assert {finding.state for finding in found.values()} == {"failed"}
    assert found["secret key"].remedy == f"chmod 600 {ARCHIVE}.secret"
    config.beside("secret").chmod(0o600)
    config.beside("secret").write_text("short")
    assert states(key_findings(config))["secret key"] == "failed"


async def test_a_secret_key_is_missed_when_there_are_api_keys(archive: Path) -> None:
    config = ServiceConfig()
    assert states(key_findings(config)) == {"secret key": "ok"}
    execute(
        "INSERT INTO api_keys (id, name, secret_hmac, scopes, max_priority, created_at)"
        " VALUES ('a', 'a', x'00', '[]', 0, 0)"
    )
    assert states(key_findings(config)) == {"secret key": "failed"}


async def test_keys_that_expire_soon_are_named(archive: Path) -> None:
    now = int(time.time() * 1000)
    for id, days, revoked in (("aa", 13, "NULL"), ("bb", 15, "NULL"), ("cc", 13, "1")):
        execute(
            "INSERT INTO api_keys (id, name, secret_hmac, scopes, max_priority, created_at,"
            " expires_at, revoked_at)"
            f" VALUES ('{id}', 'of {id}', x'00', '[]', 0, 0, {now + days * 86_400_000}, {revoked})"
        )
    found = by_part(archive_findings(archive))["API keys"]
    assert (found.state, found.found) == ("warning", "of aa expire within 14 days")


async def test_a_sound_archive(archive: Path) -> None:
    before = archive.read_bytes()
    assert set(states(archive_findings(archive)).values()) == {"ok"}
    assert archive.read_bytes() == before
    archive.chmod(0o644)
    assert "warning" in [f.state for f in archive_findings(archive)]


async def test_tables_of_other_versions(archive: Path) -> None:
    execute("UPDATE alembic_version SET version_num = '9999'")
    assert states(archive_findings(archive))["tables"] == "failed"
    execute("DROP TABLE alembic_version")
    found = by_part(archive_findings(archive))["tables"]
    assert (found.state, "flashnotify migrate" in str(found.remedy)) == ("warning", True)


async def test_damaged_archives_and_other_files(archive: Path) -> None:
    with archive.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (archive.stat().st_size - 8192))
    assert states(archive_findings(archive))["archive"] == "failed"
    archive.write_text("This is a text, and no database. " * 100)
    assert states(archive_findings(archive))["archive"] == "failed"


def test_without_an_archive_it_says_which_file_it_looked_for() -> None:
    found = by_part(archive_findings(ARCHIVE))["archive"]
    assert (found.state, found.found) == ("warning", f"There is no archive at {ARCHIVE.absolute()}")
    assert str(found.remedy).startswith("Run this in the folder of serve, or set FLASHNOTIFY_DATA")
    assert not ARCHIVE.exists()


def test_a_folder_that_cannot_be_used() -> None:
    found = by_part(archive_findings(Path("/dev/null/flashnotify.db")))
    assert found["folder"].state == "failed"
    assert "FLASHNOTIFY_DATABASE_URL" in str(found["folder"].remedy)


@pytest.mark.parametrize(("free", "state"), [(2**31, "ok"), (2**29, "warning"), (2**24, "failed")])
def test_a_disk_that_fills_up(monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    usage = shutil.disk_usage("/")._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    assert states(archive_findings(ARCHIVE))["disk"] == state


async def test_each_transport_is_tried_and_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with SmtpServer() as works, SmtpServer() as hangs:
        hangs.always("CONNECT", HANG)
        urls = f"{works.url} {hangs.url} smtp://127.0.0.1:1"
        for name, value in {
            "EMAIL_URL": urls,
            "SMTP_TIMEOUT": "0.5",
            "PUSH_URL": "webpush:",
            "PUSH_CONTACT": "mailto:it@univ.example",
        }.items():
            monkeypatch.setenv(f"FLASHNOTIFY_{name}", value)
        found, names = await transport_findings(ServiceConfig(), ())
    assert states(found) == {
        f"email {works.url}": "ok",
        f"email {hangs.url}": "failed",
        "email smtp://127.0.0.1:1": "failed",
        "sms capture://": "warning",
        "push webpush:": "ok",
        "chat": "ok",
        "in_app in-app://": "ok",
    }
    assert names == {part for part in states(found) if part != "chat"}
    assert works.recipients == []
    # The key for Web Push is for serve to make.
    assert list(tmp_path.iterdir()) == []


async def test_a_transport_that_hangs_is_given_up_before_its_own_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with SmtpServer() as hangs:
        hangs.always("CONNECT", HANG)
        monkeypatch.setenv("FLASHNOTIFY_EMAIL_URL", hangs.url)
        monkeypatch.setattr(transports, "_TIMEOUT", 0.2)
        found, _ = await transport_findings(ServiceConfig(), ())
        assert by_part(found)[f"email {hangs.url}"].found == "no answer within 0.2 s"


async def test_findings_are_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_URL", "smtp://127.0.0.1:1")
    monkeypatch.setenv("FLASHNOTIFY_SMTP_TIMEOUT", "-1")
    told, _ = await transport_findings(ServiceConfig(), ())
    assert states(told)["email"] == "failed"
    rest, _ = await transport_findings(ServiceConfig(), {"FLASHNOTIFY_SMTP_TIMEOUT"})
    assert "email" not in states(rest)


def test_a_failing_transport_has_campus_time_and_no_log_to_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_TIMEZONE", "Europe/Paris")
    transport = {
        "name": "smtp://mail:25",
        "state": "failing",
        "failing_since": "2026-12-01T07:00:00.123000Z",
        "next_probe_at": None,
        "last_error": "Connection refused",
        "problem": None,
    }
    channels = [{"channel": "email", "transports": [transport]}]
    (found,) = _transports("serve", channels, {"email smtp://mail:25"})
    since = "failing since 2026-12-01 08:00:00, next probe now (Europe/Paris): Connection refused"
    assert found.found == since
    assert "tries again by itself" in str(found.remedy)
