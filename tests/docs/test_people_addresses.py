"""The curl lines of docs/people.md on suspended addresses."""

import asyncio
import json
from pathlib import Path

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.docs.test_people_inbox import lines
from tests.support.running import running
from tests.support.serve_process import ServeProcess
from tests.support.system import requires_program


@requires_program("curl")
@pytest.mark.timeout(180)
async def test_the_lines_work(tmp_path: Path) -> None:
    async with running(Service(ServiceConfig()), deliver=False) as service:
        await service.service.refused.report_dead("email", "ada@univ.example", "no such user")
    async with ServeProcess(tmp_path) as serve:
        rules = ("silent", "fail-with-body", f"connect-to = 127.0.0.1:8000:127.0.0.1:{serve.port}")
        (tmp_path / ".curlrc").write_text("\n".join(rules))
        key = (await serve.key("people"))["Authorization"].removeprefix("Bearer ")
        environment = {"HOME": str(tmp_path), "KEY": key}

        async def shell(line: str) -> bytes:
            process = await asyncio.create_subprocess_exec(
                *("sh", "-ec", line), env=environment, stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate()
            assert process.returncode == 0, (line, out)
            return out

        listed, cleared = lines("Suspended addresses")
        (found,) = json.loads(await shell(listed))["items"]
        assert found["reason"] == "no such user"
        environment["ID"] = found["id"]
        assert await shell(cleared) == b""
        assert json.loads(await shell(listed))["items"] == []
