"""The command line as real processes, both with and without a running `serve`."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.serve_process import Finished, ServeProcess
from tests.support.watching import completed

# Each command is a process that has to start, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)

TOKEN = re.compile(r"fn_[0-9a-z]{10}_[0-9A-Za-z]{49}\n")
EXAMPLE = (
    "--kind=academic",
    "--title=Room changed",
    "--to=mailto:ada@univ.example",
    "--data=course=ALG-2",
    "--data=room=B204",
)


@pytest.fixture(params=["alone", "served"])
async def commands(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ServeProcess]:
    """An archive on which no `serve` runs, and one on which one does."""
    serve = ServeProcess(tmp_path / "service")
    if request.param == "alone":
        yield serve
        return
    async with serve:
        yield serve


def served(commands: ServeProcess) -> bool:
    return commands.port != 0


def failed(command: Finished, *words: str) -> None:
    """A command said what is wrong, for a person, and nothing else."""
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
    assert (created.code, created.stderr) == (0, "")
    assert TOKEN.fullmatch(created.stdout)
    token = created.stdout.strip()
    id = token.split("_")[1]
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


async def test_commands_at_once_wait_for_each_other(tmp_path: Path) -> None:
    """As `xargs -P` runs them, without a `serve` that could answer all of them."""
    commands = ServeProcess(tmp_path / "service")
    made = await asyncio.gather(
        *(commands.cli("keys", "create", f"--name=key-{n}", "--scope=read") for n in range(4))
    )
    assert [command.code for command in made] == [0] * 4, made
    listed = (await commands.cli("keys", "list")).stdout
    assert all(f"key-{n} " in listed for n in range(4))


async def test_a_wrong_key_is_explained(commands: ServeProcess) -> None:
    wrong = await commands.cli("keys", "create", "--name=x", "--scope=notify:party")
    failed(wrong, "/scopes/0 unknown scope; expected one of read, admin")
    if served(commands):
        failed(await commands.cli("keys", "revoke", "nothing"), "No API key has the id 'nothing'")


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
        assert (shown["status"], shown["deliveries"]) == ("queued", [])
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


async def test_sends_what_comes_on_standard_input_once_per_key(commands: ServeProcess) -> None:
    body = "L'examen a lieu en B204.\nMerci à vous.\n"
    options = (*EXAMPLE, "--idempotency-key=k", "--locale=fr", "--send-at=2099-01-01T08:00:00Z")
    first = await commands.cli("send", *options, stdin=body)
    again = await commands.cli("send", *options, stdin=body)
    assert (first.code, again.code) == (0, 0)
    assert first.stdout == again.stdout
    shown = await status(commands, first.stdout.strip())
    assert (shown["body"], shown["locale"], shown["status"]) == (body, "fr", "scheduled")
    failed(await commands.cli("send", *options, "Other"), "Idempotency-Key was used")


async def test_what_is_wrong_is_explained(commands: ServeProcess) -> None:
    wrong = await commands.cli(
        *("send", *EXAMPLE, "--to=tel:+33612345678", "--data=floor=2", "--priority=urgent", "x")
    )
    failed(wrong, "/priority expected one of low", "/data/floor unknown field")
    if not served(commands):
        return  # the same API has answered
    failed(await commands.cli("send", *EXAMPLE, "--to=ada", "x"), "/to/1 must be a URI")
    failed(await commands.cli("status", "../api-keys"), "No endpoint has this path")
    missing = "0196e0a0-0000-7000-8000-000000000000"
    failed(await commands.cli("status", missing), "No notification has this id.")
    usage = await commands.cli("send", *EXAMPLE, "--data=course", "x")
    assert (usage.code, usage.stdout) == (2, "")
    assert "field=value" in usage.stderr


async def test_only_one_serve_has_the_archive(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path) as serve:
        second, migrate = await asyncio.gather(serve.cli("serve", "--port=0"), serve.cli("migrate"))
        for refused in (second, migrate):
            failed(
                refused,
                "var/flashnotify.db is in use by another flashnotify",
                f"(process {serve.pid})",
                "Stop that one first",
                "FLASHNOTIFY_DATABASE_URL",
            )
        # The first is none the worse for it.
        assert (await serve.http.get("/readyz")).json()["status"] == "ok"
        assert (await serve.admin.get("/v1/api-keys")).status_code == 200
        # With an archive of its own, the second runs beside it.
        async with ServeProcess(tmp_path, DATABASE_URL="sqlite:///other.db") as other:
            assert (await other.http.get("/readyz")).json()["status"] == "ok"
            assert await other.terminate() == 0
        assert await serve.terminate() == 0
        migrated = await serve.cli("migrate")
        assert (migrated.code, migrated.stdout) == (0, "var/flashnotify.db is up to date.\n")


async def test_what_a_kill_leaves_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path) as serve:
        await serve.kill()
        assert serve.archive.with_name("flashnotify.db.sock").exists()
        assert "Nothing was captured" in (await serve.cli("outbox")).stdout
        assert (await serve.cli("migrate")).code == 0
        await serve.start()
        assert (await serve.admin.get("/v1/api-keys")).status_code == 200
        assert await serve.terminate() == 0
        assert not serve.archive.with_name("flashnotify.db.sock").exists()


async def test_a_port_in_use_is_explained(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path / "first") as first:
        second = ServeProcess(tmp_path / "second")
        refused = await second.cli("serve", f"--port={first.port}")
        failed(refused, f"cannot listen on 127.0.0.1 port {first.port}", "--port")
        # It has let go of the archive.
        assert (await second.cli("migrate")).code == 0


async def test_a_host_that_is_not_ours_is_explained(tmp_path: Path) -> None:
    serve = ServeProcess(tmp_path)
    refused = await serve.cli("serve", "--port=0", "--host=192.0.2.1")
    failed(refused, "cannot listen on 192.0.2.1 port 0", "--host")


async def test_nobody_else_can_read_what_it_keeps(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path, "--trial") as serve:
        files = [*serve.archive.parent.iterdir()]
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
        assert serve.archive.parent.stat().st_mode & 0o777 == 0o700


async def test_help_names_every_command(tmp_path: Path) -> None:
    shown = await ServeProcess(tmp_path).cli("--help")
    assert shown.code == 0
    for command in ("serve", "send", "status", "outbox", "keys", "migrate"):
        assert re.search(rf"\b{command}\b", shown.stdout)


async def test_commands_say_when_serve_does_not_answer(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path) as serve:
        serve.archive.with_name("flashnotify.db.sock").unlink()
        failed(await serve.cli("keys", "list"), "serve holds the archive but does not answer")


async def test_the_network_is_not_the_socket(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path) as serve:
        for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"Host": "flashnotify"}):
            answer: httpx.Response = await serve.http.get("/v1/api-keys", headers=headers)
            assert answer.status_code == 401
