"""`flashnotify tail` beside a running `serve`."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_process import CommandProcess
from tests.support.in_process_cli import InProcessCli
from tests.support.running import ACADEMIC
from tests.support.serve_process import ServeProcess

# Each command is a process that has to start, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)


async def send(serve: ServeProcess) -> str:
    answer = await serve.admin.post("/v1/notifications", json=ACADEMIC)
    assert answer.status_code == 202
    return str(answer.json()["id"])


def events(lines: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


async def test_it_fails_without_serve(tmp_path: Path) -> None:
    serve = ServeProcess(tmp_path)
    finished = await serve.cli("tail")
    assert finished.code == 1
    assert f"There is no archive at {serve.archive}." in finished.stderr
    assert "start `flashnotify serve`" in finished.stderr
    assert finished.stdout == ""
    assert not serve.archive.parent.exists()
    # What an earlier serve left behind is no serve.
    async with serve:
        await serve.kill()
        assert serve.archive.with_name(serve.archive.name + ".sock").exists()
        finished = await serve.cli("tail")
        assert finished.code == 1
        assert f"on {serve.archive}. Start `flashnotify serve`" in finished.stderr


async def test_shows_each_event_on_a_line_and_ends_with_serve(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path) as serve:
        async with CommandProcess(tmp_path, "tail", "--since", "0") as tail:
            id = await send(serve)
            await tail.until("completed")
            assert await serve.terminate() == 0
            assert await tail.ends() == 0
        assert "serve has stopped" in tail.stderr
        lines = [line.split() for line in tail.seen.splitlines()]
        assert [line[2:6] for line in lines][:2] == [
            ["1", "notification", id, "queued"],
            ["2", "notification", id, "sending"],
        ]
        assert lines[2][3:7] == ["delivery", id, "sent", "email"]
        assert lines[3][3:6] == ["notification", id, "completed"]
        assert "\x1b" not in tail.seen


async def test_ctrl_c_ends_it_silently(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path) as serve:
        async with CommandProcess(tmp_path, "tail", "--since", "0") as tail:
            await send(serve)
            await tail.until("completed")
            assert await tail.interrupt() == 130
        followed = f"serve (process {serve.pid}) on {serve.archive}"
        said = rf"Following {re.escape(followed)}\. Times: \S+\. Ctrl-C ends this\.\n"
        assert re.fullmatch(said, tail.stderr)
        assert serve.code is None


async def test_a_terminal_gets_colours_unless_no_color_is_set(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path) as serve:
        await send(serve)
        async with CommandProcess(tmp_path, "tail", "--since", "0", terminal=True) as tail:
            assert "\x1b[32mcompleted" in await tail.until("completed")


async def test_a_restart_of_serve_loses_no_event(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path) as serve:
        # Without --since, and with no event yet: where it is to go on is still known.
        async with CommandProcess(tmp_path, "tail", "--json") as tail:
            first = await send_until_followed(serve, tail)
            # It stops for as long as it takes serve to be killed, to come back, and to send.
            tail.signal(signal.SIGSTOP)
            await serve.kill()
            await serve.start()
            second = await send(serve)
            tail.signal(signal.SIGCONT)
            await tail.until(f'"{second}", "status": "completed"')
        seen = events(tail.seen)
        numbers = [event["id"] for event in seen]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert {event["notification_id"] for event in seen} >= {first, second}
        of_second = [e["status"] for e in seen if e["notification_id"] == second]
        assert of_second == ["queued", "sending", "sent", "completed"]


async def send_until_followed(serve: ServeProcess, tail: CommandProcess) -> str:
    """Send until `tail` shows it: from when on it follows cannot be seen from outside."""
    while True:
        id = await send(serve)
        while (await serve.admin.get(f"/v1/notifications/{id}")).json()["status"] != "completed":
            pass
        if tail.seen:
            return str(events(tail.seen)[-1]["notification_id"])


async def test_since_goes_on_after_an_event(tmp_path: Path) -> None:
    async with InProcessCli(tmp_path) as serve:
        id = await send(serve)
        async with CommandProcess(tmp_path, "tail", "--json", "--since", "2") as tail:
            await tail.until("completed")
        assert [(e["id"], e["type"], e["status"]) for e in events(tail.seen)] == [
            (3, "delivery", "sent"),
            (4, "notification", "completed"),
        ]
        assert {e["notification_id"] for e in events(tail.seen)} == {id}
        assert (await serve.cli("tail", "--since", "-1")).code == 2
