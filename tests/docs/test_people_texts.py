"""The curl lines of docs/people.md on texts and acknowledgements, with a real `serve`."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.support.eventually import eventually
from tests.support.people import GOOD, add_user
from tests.support.running import running
from tests.support.serve_process import ServeProcess
from tests.support.system import requires_program

pytestmark = [pytest.mark.timeout(180), requires_program("curl"), requires_program("jq")]

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "people.md").read_text()


def block(section: str) -> str:
    """Return the commands of a section."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found: list[str] = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return found[0]


async def test_the_lines_work(tmp_path: Path) -> None:
    async with running(Service(ServiceConfig()), deliver=False) as service:
        names: dict[str, Any] = {"first_name": "Ada", "attributes": {"room": "B204"}}
        await add_user(service.service, external_id="etu1", locale="fr", **names)
    async with ServeProcess(tmp_path) as serve:
        rules = ("silent", "fail-with-body", f"connect-to = 127.0.0.1:8000:127.0.0.1:{serve.port}")
        (tmp_path / ".curlrc").write_text("\n".join(rules))
        key = (await serve.key("notify:academic", "read"))["Authorization"]
        login = {"grant_type": "password", "username": "ada@univ.example", "password": GOOD}
        token = (await serve.http.post("/v1/auth/token", data=login)).json()["access_token"]
        environment = {
            "HOME": str(tmp_path),
            "KEY": key.removeprefix("Bearer "),
            "ACCESS_TOKEN": token,
        }

        async def shell(lines: str) -> list[dict[str, object]]:
            process = await asyncio.create_subprocess_exec(
                *("sh", "-ec", lines), env=environment, stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate()
            assert process.returncode == 0, out
            return [json.loads(line) for line in out.splitlines()]

        async def subjects(id: object) -> set[str]:
            answer = await eventually(
                lambda: serve.admin.get("/v1/outbox", params={"notification": str(id)}),
                lambda found: bool(found.json()["items"]),
            )
            return {message["subject"] for message in answer.json()["items"]}

        [first] = await shell(block("Languages"))
        assert "[ALG-2] Salle modifiée" in await subjects(first["id"])
        [second] = await shell(block("Personalised text"))
        assert await subjects(second["id"]) == {"[ALG-2] Ada, your room"}
        send, *rest = re.split(r"(?m)^(?=curl)", block("Acknowledgement"))
        [sent] = await shell(f"{send}\nprintf '\"%s\"' $ID")
        environment["ID"] = str(sent)
        await eventually(
            lambda: serve.admin.get(f"/v1/notifications/{sent}"),
            lambda found: found.json()["status"] == "completed",
        )
        [silent] = await shell(rest[0])
        assert silent["silent"] == 1
        [reminder] = await shell(rest[2])
        assert await subjects(reminder["id"]) == {"[ALG-2] Rappel\N{NO-BREAK SPACE}: New exam date"}
        [done] = await shell(rest[1])
        assert done["acknowledged_at"]
        finished = await serve.cli("acknowledgements", str(sent))
        assert "1 of 1 acknowledged, 0 silent" in finished.stdout
        refused = await serve.cli("remind", str(sent))
        assert refused.code == 1
        assert "Nobody is left to remind" in refused.stderr
