"""The curl lines of docs/people.md, with a real `serve`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flashnotify.app import Service
from flashnotify.domain import Role
from flashnotify.settings import ServiceConfig
from tests.docs.test_signing_in import shell
from tests.support.people import GOOD, add_user
from tests.support.running import running
from tests.support.serve_process import ServeProcess
from tests.support.system import requires_program

pytestmark = [pytest.mark.timeout(180), requires_program("curl")]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "people.md"
# The sections after these have tests of their own.
SECTIONS, _, _ = PAGE.read_text().partition("## Languages")
# The first block is the preparation, which is done here without commands.
_, BLOCK = re.findall(r"^```sh\n(.*?)^```", SECTIONS, re.MULTILINE | re.DOTALL)


async def test_the_lines_work(tmp_path: Path) -> None:
    async with running(Service(ServiceConfig()), deliver=False) as service:
        await add_user(service.service, Role.member, external_id="etu12345")
    async with ServeProcess(tmp_path) as serve:
        rules = ("silent", "fail-with-body", f"connect-to = localhost:8000:127.0.0.1:{serve.port}")
        (tmp_path / ".curlrc").write_text("\n".join(rules))
        key = (await serve.key("people", "notify:academic"))["Authorization"]
        sign_in = (
            "curl localhost:8000/v1/auth/token -d grant_type=password "
            f"-d username=ada@univ.example --data-urlencode 'password={GOOD}'"
        )
        token = (await shell(sign_in, tmp_path))["access_token"]
        variables = {"KEY": key.removeprefix("Bearer "), "ACCESS_TOKEN": token}
        answers = [await shell(line, tmp_path, **variables) for line in BLOCK.splitlines()]
    assert answers[1] == {"added": 1, "already": 0}
    assert answers[6]["recipients"] == 1
    assert [topic["joined"] for topic in answers[8]["items"]] == [False]
    assert answers[9]["channels"] == ["email"]
    assert answers[10] is None
