"""The curl lines of docs/people.md on preferences, with a real `serve`."""

import json
import re
from pathlib import Path

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.docs.test_signing_in import shell
from tests.support.people import GOOD, add_user
from tests.support.running import running
from tests.support.serve_process import ServeProcess
from tests.support.system import requires_program

pytestmark = [pytest.mark.timeout(180), requires_program("curl")]

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "people.md").read_text()
SECTION = PAGE.partition("\n## Preferences\n")[2].partition("\n## ")[0]
(BLOCK,) = re.findall(r"^```sh\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
LINES = re.split(r"\n(?=curl )", BLOCK.strip())


async def test_the_lines_work(tmp_path: Path) -> None:
    async with running(Service(ServiceConfig()), deliver=False) as service:
        user = await add_user(service.service)
    async with ServeProcess(tmp_path) as serve:
        rules = ("silent", "fail-with-body", f"connect-to = 127.0.0.1:8000:127.0.0.1:{serve.port}")
        (tmp_path / ".curlrc").write_text("\n".join(rules))
        key = (await serve.key("people"))["Authorization"].removeprefix("Bearer ")
        login = {"grant_type": "password", "username": "ada@univ.example", "password": GOOD}
        token = (await serve.http.post("/v1/auth/token", data=login)).json()["access_token"]
        known = {"ACCESS_TOKEN": token, "KEY": key, "USER_ID": str(user.id)}
        answers = [await shell(line, tmp_path, **known) for line in LINES]
    shown, chosen, changed, of_user, reset, without = answers
    assert (shown["kinds"], chosen["kinds"]) == ({}, {"academic": ["email"], "weather": []})
    assert changed["kinds"] == {"academic": ["email"]}
    assert changed["digest"] == {"every": "daily", "at": "18:00", "weekday": None}
    assert of_user == changed, json.dumps(of_user)
    assert reset == without == {**shown, "kinds": {}}
