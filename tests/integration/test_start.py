"""Starting `serve`: wrong settings prevent it and are explained; the trial works as printed."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.errors import SettingsError
from flashnotify.settings import ServiceConfig
from tests.support import database_threads
from tests.support.in_process_cli import InProcessCli
from tests.support.serve_process import ServeProcess
from tests.support.system import requires_program

# As in test_cli.
pytestmark = pytest.mark.timeout(180)

WRONG = {
    "SECRET_KEY": "too short",
    "WORKERS": "1",
    "QUEUE_URL": "nats://queue.example",
    "QUEUE_BOUND": "many",
    "DRAIN_SECONDS": "-1",
    "LOG_FORMAT": "xml",
    "LOCALE": "français",
    "PUBLIC_URL": "notify.univ.example",
    "MAX_REQUEST_BYTES": "10",
    "MAX_TITLE_LENGTH": "0",
    "MAX_BODY_BYTES": "-5",
    "MAX_RECIPIENTS": "50001",
    "DATABASE_URL": "postgresql://user:hunter2@db.example/flash",
}


def test_every_wrong_setting_is_named_with_an_example(tmp_path: Path) -> None:
    refused = InProcessCli(tmp_path)._run(("serve", "--port=0"), "", WRONG)
    assert (refused.code, refused.stdout) == (1, "")
    lines = refused.stderr.removeprefix("flashnotify: ").splitlines()
    assert len(lines) == len(WRONG)
    for name, value in WRONG.items():
        (line,) = [line for line in lines if line.startswith(f"FLASHNOTIFY_{name}: ")]
        assert f"Example: FLASHNOTIFY_{name}=" in line
        assert (value in line) is (name not in ("SECRET_KEY", "DATABASE_URL"))
    assert "hunter2" not in refused.stderr
    assert not (tmp_path / "var").exists(), "nothing was made"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"EMAIL_URL": "smtp://"}, "has no host"),
        ({"EMAIL_URL": "smtp:mail.example"}, "has no host"),
        ({"EMAIL_URL": "mail.example"}, "expected one of smtp:, smtps:, capture:"),
        ({"EMAIL_URL": "https://mail.example"}, "unknown scheme"),
        ({"EMAIL_URL": "smtp://user:hunter2@h:port"}, "is not a URL"),
        ({"EMAIL_URL": "smtp://user:hunter2/x@mail.example"}, "is not a URL"),
        ({"EMAIL_URL": "smtp://user:hunter2@mail.example?tls=1"}, "expected one of starttls"),
        ({"EMAIL_URL": "smtp://user:hunter2@mail.example?starttls=yes"}, "auto, require, never"),
        ({"EMAIL_URL": "smtp://user:hunter2@mail.example?starttls"}, "is not a URL"),
        (
            {"EMAIL_URL": "smtp://mail.example?starttls=require&starttls=never"},
            "has the option 'starttls' twice",
        ),
        ({"EMAIL_URL": "capture:// smtp://"}, "has no host"),
        (
            {"EMAIL_FROM": "Campus"},
            "must have an @-sign. Example: FLASHNOTIFY_EMAIL_FROM='Campus <",
        ),
        ({"EMAIL_FROM": "Campus <a@univ.example>\r\nBcc: x@y.example"}, "single line"),
        ({"EMAIL_FROM": "a@univ.example, b@univ.example"}, "single sender"),
        ({"EMAIL_FROM": "A <a@univ.example>, B <b@univ.example>"}, "single sender"),
        ({"EMAIL_FROM": "Campus <a@localhost>"}, "EMAIL_SPECIAL_DOMAINS=localhost"),
        ({"EMAIL_SPECIAL_DOMAINS": "local; lan"}, "separated by spaces"),
        ({"SMTP_EHLO_NAME": "localhost"}, "never localhost"),
        ({"EMAIL_FROM": "Ada <ada@lovelace@univ.example>"}, "***@"),
        ({"RATE_LIMIT": "0/minute"}, "must be one rate, above zero"),
        ({"RATE_LIMIT": "1/0second"}, "must be one rate, above zero"),
        ({"RATE_LIMIT": "5/minute;1/second"}, "must be one rate, above zero"),
        ({"RATE_LIMIT": "often"}, "must be one rate, above zero"),
        ({"SMTP_CONNECTIONS": "0"}, "must be at least 1"),
        ({"SMTP_TIMEOUT": "0"}, "greater than 0"),
        ({"SMTP_CA_FILE": "nowhere.pem"}, "No such file"),
        ({"SMTP_CA_FILE": "."}, "it cannot be read"),
        ({"SMTP_CA_FILE": "empty.pem"}, "no certificates in PEM form"),
    ],
)
def test_a_wrong_setting_of_a_channel_is_named(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], words: str
) -> None:
    Path("empty.pem").touch()
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_URL", "smtp://mail.example")
    ((name, value),) = settings.items()
    monkeypatch.setenv(f"FLASHNOTIFY_{name}", value)
    with pytest.raises(SettingsError) as caught:
        Service(ServiceConfig())
    message = str(caught.value)
    assert message.startswith(f"FLASHNOTIFY_{name}: ")
    assert words in message
    assert f"Example: FLASHNOTIFY_{name}=" in message
    assert "hunter2" not in message
    assert "ada@" not in message


def test_a_misconfigured_channel_prevents_start(tmp_path: Path) -> None:
    serve = InProcessCli(tmp_path, EMAIL_URL="smtp://user:hunter2@mail.example?tls=1")
    assert serve._run(("migrate",), "", serve.settings).code == 0
    for arguments in (("serve", "--port=0"), ("keys", "list")):
        command = serve._run(arguments, "", serve.settings)
        assert (command.code, command.stdout) == (1, "")
        assert command.stderr.startswith(
            "flashnotify: FLASHNOTIFY_EMAIL_URL: has the unknown option 'tls'"
        )
        assert command.stderr.count("\n") == 1
        assert "hunter2" not in command.stderr


def no_folder(folder: Path) -> str:
    (folder / "file").touch()
    return "file/flash.db"


def a_folder(folder: Path) -> str:
    (folder / "folder").mkdir()
    return "folder"


def another_file(folder: Path) -> str:
    (folder / "notes.txt").write_text("Remember the milk.\n" * 500)
    return "notes.txt"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (no_folder, "cannot be written"),
        (a_folder, "Is a directory"),
        (another_file, "file is not a database"),
    ],
)
async def test_a_file_that_cannot_be_the_archive_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, words: str
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_DATABASE_URL", f"sqlite:///{make(tmp_path)}")
    service = Service(ServiceConfig())
    with pytest.raises(SettingsError, match=r"^FLASHNOTIFY_DATABASE_URL: .* Example") as caught:
        await service.open()
    await service.close()
    await database_threads.ended()
    assert words in str(caught.value)


async def test_an_archive_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    serve = InProcessCli(tmp_path)
    assert (await serve.cli("migrate")).code == 0
    with sqlite3.connect(serve.archive) as archive:
        archive.execute("UPDATE alembic_version SET version_num = '9999'")
    archive.close()
    refused = await serve.cli("serve", "--port=0")
    assert refused.code == 1
    assert "Use the version that wrote it" in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_an_unknown_setting_is_warned_about(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path, WORKRS="8", EMAIL_RUL="x") as serve:
        warned = {
            entry["name"]: entry["did_you_mean"]
            for entry in serve.log()
            if entry["event"] == "settings.unknown"
        }
    assert warned == {
        "FLASHNOTIFY_WORKRS": "FLASHNOTIFY_WORKERS",
        "FLASHNOTIFY_EMAIL_RUL": "FLASHNOTIFY_EMAIL_URL",
    }


async def test_a_damaged_secret_is_not_replaced(tmp_path: Path) -> None:
    serve = InProcessCli(tmp_path)
    assert (await serve.cli("migrate")).code == 0
    assert (await serve.cli("keys", "list")).code == 0
    secret = serve.archive.with_name("flashnotify.db.secret")
    secret.write_text("damaged\n")
    refused = await serve.cli("serve", "--port=0")
    assert refused.code == 1
    assert "flashnotify.db.secret is damaged" in refused.stderr
    assert secret.read_text() == "damaged\n"


async def shell(lines: str) -> list[Any]:
    """Run lines as they were printed, and return the JSON that each prints on a line."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", lines.replace("curl ", "curl -sS ")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    return [json.loads(line) for line in out.splitlines()]


def lines_of(printed: str) -> tuple[str, str, str]:
    """Return the key and the two commands printed by `serve --trial`."""
    head, _, rest = printed.rpartition("Send a notification:\n")
    first, _, second = rest.partition("See what the recipient would have got:\n")
    return head.rpartition(": ")[2].strip(), first.strip(), second.strip()


@requires_program("curl")
async def test_the_trial_works_as_printed(tmp_path: Path) -> None:
    async with InProcessCli(tmp_path, "--trial") as serve:
        assert f"FlashNotify answers at {serve.url}\n" in serve.stdout
        key, send, look = lines_of(serve.stdout)
        assert key == (serve.archive.parent / "trial.key").read_text().strip()
        assert key not in serve.stderr
        assert f"API documentation: {serve.url}/docs\n" in serve.stdout
        # Pasted together: the second waits for what the first has sent.
        accepted, outbox = await shell(f"{send}\n{look}")
        assert accepted["status"] == "queued"
        (message,) = outbox["items"]
        assert message["notification_id"] == accepted["id"]
        assert message["subject"] == "[ALG-2] Room changed"
        device = {"type": "ntfy", "topic": "ada-5Hk2xQ"}
        registered = await serve.http.post("/v1/devices", json=device, headers={"X-API-Key": key})
        assert registered.status_code == 201
        assert await serve.terminate() == 0
        # The same key at the next start.
        before = len(serve.stdout)
        await serve.start()
        assert lines_of(serve.stdout[before:])[0] == key
        (outbox,) = await shell(lines_of(serve.stdout)[2])
        assert len(outbox["items"]) == 1
        # One that was revoked is replaced.
        await serve.cli("keys", "revoke", key.split("_")[1])
        await serve.terminate()
        await serve.start()
        renewed = lines_of(serve.stdout)[0]
        assert renewed != key
        (accepted,) = await shell(lines_of(serve.stdout)[1])
        assert accepted["status"] == "queued"
        assert (serve.archive.parent / "trial.key").stat().st_mode & 0o777 == 0o600


async def test_the_trial_looks_at_deliveries_where_email_leaves_this_machine(
    tmp_path: Path,
) -> None:
    async with InProcessCli(tmp_path, "--trial", EMAIL_URL="smtp://127.0.0.1:1") as serve:
        _, _, rest = serve.stdout.partition("It leaves this machine: put your own address")
        assert "/v1/deliveries?channel=email&limit=1" in rest
        assert "outbox" not in serve.stdout
