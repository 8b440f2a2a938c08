"""The curl lines of docs/scim.md, with a real `serve`."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.serve_process import ServeProcess
from tests.support.system import requires_program

pytestmark = [pytest.mark.timeout(180), requires_program("curl")]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scim.md"
(BLOCK,) = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
LINES = BLOCK.splitlines()


async def test_the_lines_work(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path) as serve:
        rules = ("silent", "fail-with-body", f"connect-to = 127.0.0.1:8000:127.0.0.1:{serve.port}")
        (tmp_path / ".curlrc").write_text("\n".join(rules))
        key = (await serve.key("people"))["Authorization"].removeprefix("Bearer ")
        known = {"KEY": key, "HOME": str(tmp_path)}

        async def shell(line: str) -> Any:
            process = await asyncio.create_subprocess_exec(
                *("sh", "-c", line), env=known, stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate()
            assert process.returncode == 0, (line, out)
            return json.loads(out) if out else None

        create, find, change, group, leave, bulk, delete, describe = LINES
        known["USER_ID"] = (await shell(create))["id"]
        assert (await shell(find))["Resources"][0]["id"] == known["USER_ID"]
        enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
        assert (await shell(change))[enterprise] == {"department": "Mathematics"}
        made = await shell(group)
        known["GROUP_ID"] = made["id"]
        assert [each["value"] for each in made["members"]] == [known["USER_ID"]]
        assert await shell(leave) is None
        assert [each["status"] for each in (await shell(bulk))["Operations"]] == ["200"]
        assert await shell(delete) is None
        assert (await shell(find))["totalResults"] == 0
        assert (await shell(describe))["patch"] == {"supported": True}
