"""The curl lines of docs/people.md on inboxes and explanations, and its table of codes."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.control.explanation import Code
from flashnotify.settings import ServiceConfig
from tests.support.eventually import eventually
from tests.support.people import GOOD, add_user
from tests.support.running import ACADEMIC, running
from tests.support.serve_process import ServeProcess
from tests.support.system import requires_program

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "people.md").read_text()


def section(name: str) -> str:
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def lines(name: str) -> list[str]:
    """Return the commands of a section."""
    found: list[str] = re.findall(r"^```sh\n(.*?)^```", section(name), re.MULTILINE | re.DOTALL)
    return found[0].splitlines()


def test_every_code_is_explained() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", section("Why did I not get it?"), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(Code)


@requires_program("curl")
@pytest.mark.timeout(180)
async def test_the_lines_work(tmp_path: Path) -> None:
    async with running(Service(ServiceConfig()), deliver=False) as service:
        await add_user(service.service, external_id="etu1")
    async with ServeProcess(tmp_path) as serve:
        rules = ("silent", "fail-with-body", f"connect-to = 127.0.0.1:8000:127.0.0.1:{serve.port}")
        (tmp_path / ".curlrc").write_text("\n".join(rules))
        key = (await serve.key("read:all", "people"))["Authorization"].removeprefix("Bearer ")
        login = {"grant_type": "password", "username": "ada@univ.example", "password": GOOD}
        token = (await serve.http.post("/v1/auth/token", data=login)).json()["access_token"]
        environment = {"HOME": str(tmp_path), "KEY": key, "ACCESS_TOKEN": token}

        async def shell(line: str) -> Any:
            process = await asyncio.create_subprocess_exec(
                *("sh", "-ec", line), env=environment, stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate()
            assert process.returncode == 0, (line, out)
            return json.loads(out) if out else None

        wanted = ACADEMIC | {"to": ["user:etu1"], "channels": ["in_app"]}
        environment["ID"] = (await serve.admin.post("/v1/notifications", json=wanted)).json()["id"]
        listed, counted, read, upto, everything, deleted = lines("Inbox")
        page = await eventually(lambda: shell(listed), lambda found: bool(found["items"]))
        environment["MESSAGE"] = page["items"][0]["id"]
        assert await shell(counted) == {"unread": 1}
        for line in (read, upto, everything):
            assert await shell(line) == {"unread": 0}
        own, others, command = lines("Why did I not get it?")
        assert (await shell(own))["answer"] == "Yes: the person read it."
        assert await shell(others) == await shell(own)
        shown = await serve.cli(*command.replace("$ID", environment["ID"]).split()[1:])
        assert "Yes: the person read it." in shown.stdout
        assert "in_app: It was delivered." in shown.stdout
        assert await shell(deleted) is None
        assert (await shell(listed))["items"] == []
