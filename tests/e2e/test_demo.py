"""`flashnotify demo`, as a person tries it."""

import contextlib
import os
import re
import socket
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from flashnotify.cli.demo import free_port
from tests.support.command_process import CommandProcess, ShellProcess
from tests.support.serve_process import ServeProcess
from tests.support.smtp_server import SmtpServer

# Each command is a process that has to start, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)

SHOWN = [
    f"{kind}, {locale}"
    for kind in ("security", "health", "weather", "infrastructure", "academic", "administrative")
    for locale in ("en", "fr")
]


def zone_at(hour: int) -> str:
    """Return a time zone in which it is about `hour` now."""
    ahead = (hour - datetime.now(UTC).hour + 11) % 24 - 11
    return f"Etc/GMT{-ahead:+d}"


async def test_it_shows_everything_and_leaves_nothing_under_any_settings(
    tmp_path: Path,
) -> None:
    (tmp_path / ".env").write_text("FLASHNOTIFY_SMS_URL=kannel://user:password@127.0.0.1:1\n")
    async with SmtpServer() as smtp:
        settings = {
            "EMAIL_URL": smtp.url,
            "PUSH_URL": "webpush:",
            "CHAT_URLS": "it-team=json://127.0.0.1:1",
            "DATABASE_URL": f"sqlite:///{tmp_path}/production.db",
            "SECRET_KEY": "k" * 40,
            "TIMEZONE": zone_at(12),
        }
        async with CommandProcess(tmp_path, "demo", "--port", "0", settings=settings) as demo:
            seen = await demo.until("Ctrl-C ends the demo")
            assert re.findall(r"─ (\w+, \w\w) ─", seen) == SHOWN
            for channel in ("email to ada@univ", "sms to +33", "push to ", "chat to it-team"):
                assert f"─ {channel}" in seen
            assert "[ALG-2] Room changed" in seen
            assert "Départ de feu au bâtiment B" in seen
            assert "queued" not in seen
            assert "\x1b" not in seen

            found = re.search(r"answers at (http://127\.0\.0\.1:\d+)$", seen, re.MULTILINE)
            key = re.search(r"kept in (.+)/trial\.key: (fn_\w+)$", seen, re.MULTILINE)
            assert found
            assert key
            headers = {"Authorization": f"Bearer {key[2]}"}
            async with httpx.AsyncClient(base_url=found[1], trust_env=False) as http:
                page = (await http.get("/v1/outbox?limit=200", headers=headers)).json()
                assert len(page["items"]) == seen.count("╭─")
                assert (await http.get("/docs")).status_code == 200
            assert Path(key[1]).is_dir()
            # From another folder.
            async with ShellProcess(Path("/"), printed_tail(seen), dict(os.environ)) as tail:
                await tail.until("Following serve")
                await tail.interrupt()
            assert await demo.interrupt() == 0
        assert "Traceback" not in demo.stderr
        assert smtp.connections == 0
    assert not Path(key[1]).exists()
    assert [file.name for file in tmp_path.iterdir()] == [".env"]


def printed_tail(seen: str) -> str:
    """Return the command that follows events, as it was printed."""
    return seen.partition("in another terminal:\n")[2].partition("\n")[0]


def test_it_takes_another_port_while_the_usual_one_is_taken() -> None:
    with contextlib.ExitStack() as stack:
        # By another test, or else by this one.
        with contextlib.suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", 8000)))
        assert free_port() == 0


async def test_at_night_it_shows_waiting_deliveries(tmp_path: Path) -> None:
    shown = await ServeProcess(tmp_path).cli("demo", "--port", "0", "--once", TIMEZONE=zone_at(2))
    assert shown.code == 0
    assert "queued: waits for the end of quiet hours, at 07:00" in shown.stdout
    assert "[ALG-2] Room changed" in shown.stdout
    assert list(tmp_path.iterdir()) == []
