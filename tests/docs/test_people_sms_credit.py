"""The curl lines of docs/people.md on SMS credit."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.docs.test_people_inbox import lines
from tests.support.serve_process import ServeProcess
from tests.support.system import requires_program


@requires_program("curl")
@pytest.mark.timeout(180)
async def test_the_lines_work(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path) as serve:
        rules = ("silent", "fail-with-body", f"connect-to = 127.0.0.1:8000:127.0.0.1:{serve.port}")
        (tmp_path / ".curlrc").write_text("\n".join(rules))
        key = (await serve.key("admin"))["Authorization"].removeprefix("Bearer ")
        answers = []
        for line in lines("SMS credit"):
            process = await asyncio.create_subprocess_exec(
                *("sh", "-ec", line),
                env={"HOME": str(tmp_path), "KEY": key},
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await process.communicate()
            assert process.returncode == 0, (line, out)
            answers.append(out.decode())
        made, _, group, listed, shown, changed, usage = map(json.loads, answers[:-1])
        assert group["cost_centre"] == "sport"
        assert listed["items"] == [shown]
        assert (shown, made["left"], changed["left"]) == (made, 5000, 6000)
        assert usage["items"] == []
        assert answers[-1].split() == ["month,kind,segments,messages"]
