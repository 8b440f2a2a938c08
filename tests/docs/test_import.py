"""The curl lines of docs/import.md, with a real `serve`."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from uuid import UUID

import pytest

from flashnotify.app import Service
from flashnotify.domain import Role
from flashnotify.settings import ServiceConfig
from tests.support.people import GOOD, add_user
from tests.support.running import running
from tests.support.serve_process import ServeProcess
from tests.support.system import requires_program

pytestmark = [pytest.mark.timeout(180), requires_program("curl")]

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "import.md").read_text()
LINES = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]
PEOPLE = "external_id;name;groups\netu1;Ada;l3-info|chess\netu2;Bob;chess\n"


async def shell(line: str, folder: Path, **variables: str) -> str:
    """Return what a command prints."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", line),
        env={"HOME": str(folder), **variables},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out
    return out.decode()


async def test_people_are_imported_exported_and_erased(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(PEOPLE)
    async with running(Service(ServiceConfig()), deliver=False) as service:
        eve = await add_user(service.service, Role.member, email="eve@univ.example")
    async with ServeProcess(tmp_path) as serve:
        rules = ("silent", "fail-with-body", f"connect-to = 127.0.0.1:8000:127.0.0.1:{serve.port}")
        (tmp_path / ".curlrc").write_text("\n".join(rules))
        key = (await serve.key("people"))["Authorization"].removeprefix("Bearer ")
        *_, last = (await shell(LINES[0], tmp_path, KEY=key)).splitlines()
        report = json.loads(last)["report"]
        assert (report["created"], report["groups_created"], report["delimiter"]) == (2, 2, ";")
        exported = await shell(LINES[1], tmp_path, KEY=key)
        assert [line.split(",")[0] for line in exported.splitlines()] == [
            *("external_id", "etu1", "etu2")
        ]
        token = (
            "curl http://127.0.0.1:8000/v1/auth/token -d grant_type=password "
            f"-d username=eve@univ.example --data-urlencode 'password={GOOD}'"
        )
        access = json.loads(await shell(token, tmp_path))["access_token"]
        of = {"ACCESS_TOKEN": access, "PASSWORD": GOOD}
        mine = json.loads(await shell(LINES[4], tmp_path, **of))
        assert UUID(mine["profile"]["id"]) == eve.id
        theirs = {"KEY": key, "ID": str(eve.id)}
        shown = json.loads(await shell(LINES[2], tmp_path, **theirs))
        # Whoever looks at somebody leaves a trace.
        assert shown.pop("audit")[-1]["action"] == "user.exported"
        assert shown == {name: value for name, value in mine.items() if name != "audit"}
        assert await shell(LINES[5], tmp_path, **of) == ""
        with pytest.raises(AssertionError, match="not_found"):
            await shell(LINES[3], tmp_path, **theirs)
