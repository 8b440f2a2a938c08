"""The command line, with a running `serve` and without one. Commands run in this process."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from flashnotify.app import Service
from flashnotify.archive import schema
from flashnotify.archive.sqlite.lock import ArchiveLock
from flashnotify.cli import local, serve
from flashnotify.cli.client import call
from flashnotify.errors import SettingsError
from flashnotify.settings import ServiceConfig
from flashnotify.telemetry import logs
from tests.support.in_process_cli import InProcessCli
from tests.support.serve_process import Finished, ServeProcess
from tests.support.watching import completed

# Processes start slowly on a busy machine. One loop, so that tests can share a `serve`.
pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

TOKEN = re.compile(r"fn_[0-9a-z]{10}_[0-9A-Za-z]{49}\n")
EXAMPLE = (
    "--kind=academic",
    "--title=Room changed",
    "--to=mailto:ada@univ.example",
    "--data=course=ALG-2",
    "--data=room=B204",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServeProcess]:
    """A `serve` that the tests of this module share."""
    async with InProcessCli(tmp_path_factory.mktemp("running"), "--trial") as process:
        yield process


@pytest.fixture(params=["alone", "served"])
def commands(request: pytest.FixtureRequest, tmp_path: Path) -> ServeProcess:
    """An archive without a running `serve`, and one with it."""
    if request.param == "alone":
        alone = InProcessCli(tmp_path / "service")
        assert alone._run(("migrate",), "", alone.settings).code == 0
        return alone
    process: ServeProcess = request.getfixturevalue("running")
    return process


def served(commands: ServeProcess) -> bool:
    return commands.port != 0


def assert_failed(command: Finished, *words: str) -> None:
    """Check that a command explained its failure on standard error and printed nothing else."""
    assert command.code == 1, command
    assert command.stdout == ""
    assert command.stderr.startswith("flashnotify: ")
    assert "Traceback" not in command.stderr
    for word in words:
        assert word in command.stderr


async def test_keys(commands: ServeProcess) -> None:
    created = await commands.cli(
        *("keys", "create", "--name", "Registrar's office", "--scope", "read"),
        *("--scope", "notify:academic", "--max-priority", "medium"),
        *("--expires-at", "2099-01-01T00:00:00+0100"),
    )
    assert created.code == 0
    assert TOKEN.fullmatch(created.stdout)
    token = created.stdout.strip()
    id = token.split("_")[1]
    assert created.stderr == f"Its id, to rotate or revoke it: {id}\n"
    listed = await commands.cli("keys", "list")
    assert listed.code == 0
    (row,) = [line for line in listed.stdout.splitlines() if id in line]
    for words in ("Registrar's office", "notify:academic read", "medium", "never", "expires 2098"):
        assert words in row
    assert token.split("_")[2] not in listed.stdout
    if served(commands):
        headers = {"X-API-Key": token}
        answer = await commands.http.get("/v1/outbox", headers=headers)
        assert answer.status_code == 200
        revoked = await commands.cli("keys", "revoke", id)
        answer = await commands.http.get("/v1/outbox", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["code"] == "revoked_key"
    else:
        revoked = await commands.cli("keys", "revoke", id)
    assert (revoked.code, revoked.stdout, revoked.stderr) == (0, "", "")
    listed = await commands.cli("keys", "list")
    assert re.search(rf"{id}.*revoked 20", listed.stdout)


async def test_commands_at_once_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "configure", lambda _form: None)
    await schema.upgrade(ServiceConfig().archive)
    requests = [{"name": f"key-{n}", "scopes": ["read"]} for n in range(4)]
    calls = (
        asyncio.to_thread(call, "POST", "/v1/api-keys", document=request) for request in requests
    )
    await asyncio.gather(*calls)
    keys = (await asyncio.to_thread(call, "GET", "/v1/api-keys"))["items"]
    assert sorted(key["name"] for key in keys) == ["key-0", "key-1", "key-2", "key-3"]


@pytest.mark.parametrize(
    "command",
    [
        ("keys", "create", "--name=x", "--scope=read"),
        ("send", *EXAMPLE, "x"),
        ("status", "0196e0a0-0000-7000-8000-000000000000"),
        ("deliveries",),
        ("outbox",),
        ("backup", "copy.db"),
    ],
)
async def test_in_another_folder_nothing_is_made(tmp_path: Path, command: tuple[str, ...]) -> None:
    refused = await InProcessCli(tmp_path).cli(*command)
    assert_failed(
        refused,
        f"There is no archive at {tmp_path}/var/flashnotify.db.",
        "in the folder of serve",
        "FLASHNOTIFY_DATABASE_URL",
        "start `flashnotify serve`",
    )
    assert list(tmp_path.iterdir()) == []


async def test_an_invalid_key_is_explained(commands: ServeProcess) -> None:
    wrong = await commands.cli("keys", "create", "--name=x", "--scope=notify:party")
    assert_failed(
        wrong, "--scope notify:party: unknown scope; expected one of read, read:all, admin"
    )
    wrong = await commands.cli("keys", "create", "--name=x", "--scope=notify:academics")
    assert_failed(wrong, "--scope notify:academics: unknown", "; did you mean notify:academic?")
    if served(commands):
        assert_failed(
            await commands.cli("keys", "revoke", "nothing"), "No API key has the id 'nothing'"
        )


async def test_send_status_outbox(commands: ServeProcess) -> None:
    sent = await commands.cli("send", *EXAMPLE, "--reference=r-1", "The exam is in B204.")
    assert sent.code == 0
    id = sent.stdout.strip()
    assert re.fullmatch(r"[0-9a-f-]{36}\n", sent.stdout)
    if served(commands):
        assert sent.stderr == ""
        await completed(commands, id)
    else:
        assert sent.stderr.endswith("It will be sent when `flashnotify serve` next runs.\n")
        shown = await status(commands, id)
        assert (shown["status"], len(shown["deliveries"])) == ("sending", 1)
        async with commands:
            await completed(commands, id)
            await commands.terminate()
    shown = await status(commands, id)
    assert shown["status"] == "completed"
    assert shown["body"] == "The exam is in B204."
    assert shown["data"] == {"course": "ALG-2", "room": "B204"}
    assert [d["status"] for d in shown["deliveries"]] == ["sent"]
    table = await commands.cli("status", id)
    assert table.code == 0
    assert "academic: Room changed" in table.stdout
    assert "completed, low, accepted 20" in table.stdout
    assert re.search(r"email.*ada@univ\.example.*sent.*1.*kept in the outbox", table.stdout)
    if not served(commands):
        return
    outbox = await commands.cli("outbox")
    assert "email to ada@univ.example" in outbox.stdout
    assert "[ALG-2] Room changed" in outbox.stdout
    assert "The exam is in B204." in outbox.stdout
    found = json.loads((await commands.cli("outbox", "--json", "--limit=1")).stdout)
    assert [item["notification_id"] for item in found["items"]] == [id]


async def status(commands: ServeProcess, id: str) -> dict[str, Any]:
    shown = await commands.cli("status", "--json", id)
    assert shown.code == 0, shown
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


async def test_send_reads_standard_input_and_sends_once_per_idempotency_key(
    commands: ServeProcess,
) -> None:
    body = "L'examen a lieu en B204.\nMerci à vous.\n"
    options = (*EXAMPLE, "--idempotency-key=k", "--locale=fr", "--send-at=2099-01-01T08:00:00Z")
    first = await commands.cli("send", *options, stdin=body)
    again = await commands.cli("send", *options, stdin=body)
    assert (first.code, again.code) == (0, 0)
    assert first.stdout == again.stdout
    shown = await status(commands, first.stdout.strip())
    assert (shown["body"], shown["locale"], shown["status"]) == (body, "fr", "scheduled")
    assert_failed(await commands.cli("send", *options, "Other"), "Idempotency-Key was used")


async def test_send_later(commands: ServeProcess) -> None:
    sent = await commands.cli("send", *EXAMPLE, "--delay=in 2 days", "Room B204.")
    assert sent.code == 0, sent
    assert (await status(commands, sent.stdout.strip()))["status"] == "scheduled"
    if served(commands):
        return
    assert_failed(
        await commands.cli("send", *EXAMPLE, "--delay=soon", "x"), "--delay: must be a delay such"
    )
    key = ("keys", "create", "--name=x", "--scope=read")
    assert (await commands.cli(*key, "--expires-at=2099-01-01")).code == 0
    assert_failed(
        await commands.cli(*key, "--expires-at=next year"), "--expires-at: must be a date and time"
    )


async def test_a_misspelt_command_names_the_nearest(tmp_path: Path) -> None:
    wrong = await InProcessCli(tmp_path).cli("sned")
    assert (wrong.code, "Did you mean 'send'?" in wrong.stderr) == (2, True), wrong


async def test_invalid_input_is_explained(commands: ServeProcess) -> None:
    wrong = await commands.cli(
        *("send", *EXAMPLE, "--to=tel:+33612345678", "--data=floor=2", "--priority=urgent", "x")
    )
    assert_failed(wrong, "--priority: expected one of low", "--data floor: unknown field")
    wrong = await commands.cli("send", *EXAMPLE, "--to=tel:06", "--send-at=2026-12-01T08:00", "x")
    assert_failed(wrong, "--send-at: has no offset; write 2026-12-01T08:00:00+00:00 for UTC")
    assert "URL" not in wrong.stderr
    if not served(commands):
        return
    assert_failed(await commands.cli("send", *EXAMPLE, "--to=ada", "x"), "--to ada: must be a URI")
    assert_failed(
        await commands.cli("status", "../api-keys"),
        "ID: '../api-keys' is not the id of a notification. List them: flashnotify list",
    )
    missing = "0196e0a0-0000-7000-8000-000000000000"
    assert_failed(await commands.cli("status", missing), "No notification has this id.")
    usage = await commands.cli("send", *EXAMPLE, "--data=course", "x")
    assert (usage.code, usage.stdout) == (2, "")
    assert "field=value" in usage.stderr


async def test_only_one_serve_holds_the_archive(tmp_path: Path) -> None:
    async with InProcessCli(tmp_path) as first:
        second, migrate = await asyncio.gather(first.cli("serve", "--port=0"), first.cli("migrate"))
        for refused in (second, migrate):
            assert_failed(
                refused,
                "var/flashnotify.db is in use by another flashnotify",
                f"(process {first.pid})",
                "Stop that one first",
                "FLASHNOTIFY_DATABASE_URL",
            )
        assert "nothing left to do" in migrate.stderr
        # The first still works.
        assert (await first.http.get("/readyz")).json()["status"] == "ok"
        assert (await first.admin.get("/v1/api-keys")).status_code == 200
        # A second one runs with its own archive.
        async with ServeProcess(tmp_path, DATABASE_URL="sqlite:///other.db") as other:
            assert (await other.http.get("/readyz")).json()["status"] == "ok"
            assert await other.terminate() == 0
        assert await first.terminate() == 0
        migrated = await first.cli("migrate")
        assert (migrated.code, migrated.stdout) == (0, "var/flashnotify.db is up to date.\n")


async def test_leftovers_of_a_killed_serve_block_nothing(tmp_path: Path) -> None:
    async with InProcessCli(tmp_path) as first:
        await first.kill()
        assert first.archive.with_name("flashnotify.db.sock").exists()
        assert "Nothing was captured" in (await first.cli("outbox")).stdout
        assert (await first.cli("migrate")).code == 0
        await first.start()
        assert (await first.admin.get("/v1/api-keys")).status_code == 200
        assert await first.terminate() == 0
        assert not first.archive.with_name("flashnotify.db.sock").exists()


async def test_a_port_in_use_is_explained() -> None:
    config = ServiceConfig()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        message = rf"^cannot listen on 127\.0\.0\.1 port {port}.*--port"
        with pytest.raises(SettingsError, match=message):
            await serve.run(Service(config), ["127.0.0.1"], port)
    assert ArchiveLock(config.archive_file).holder() is None


async def test_a_host_of_another_machine_is_explained() -> None:
    with pytest.raises(SettingsError, match=r"^cannot listen on 192\.0\.2\.1 port 0.*--host"):
        await serve.run(Service(ServiceConfig()), ["192.0.2.1"], 0)


async def test_only_the_owner_can_read_the_files(running: ServeProcess) -> None:
    files = [*running.archive.parent.iterdir()]
    names = {file.name for file in files}
    assert names >= {
        "flashnotify.db",
        "flashnotify.db-wal",
        "flashnotify.db.lock",
        "flashnotify.db.secret",
        "flashnotify.db.sock",
        "trial.key",
    }
    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600, file
    assert running.archive.parent.stat().st_mode & 0o777 == 0o700


async def test_help_names_every_command(tmp_path: Path) -> None:
    shown = await InProcessCli(tmp_path).cli("--help")
    assert shown.code == 0
    for command in ("serve", "send", "status", "outbox", "keys", "migrate"):
        assert re.search(rf"\b{command}\b", shown.stdout)


async def test_commands_report_that_serve_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_ATTEMPTS", 2)
    commands = InProcessCli(tmp_path)
    assert (await commands.cli("migrate")).code == 0
    lock = ArchiveLock(commands.archive)
    lock.acquire()
    try:
        listed = await commands.cli("keys", "list")
    finally:
        lock.release()
    assert_failed(listed, "serve holds the archive but does not answer")


async def test_clients_on_the_network_are_not_admins(running: ServeProcess) -> None:
    for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"Host": "flashnotify"}):
        answer: httpx.Response = await running.http.get("/v1/api-keys", headers=headers)
        assert answer.status_code == 401
