"""The curl lines of docs/people.md on one's own phone number, with a real `serve`."""

import re
from pathlib import Path
from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.docs.test_import import shell
from tests.docs.test_people_inbox import lines
from tests.support.people import GOOD, add_user
from tests.support.running import running
from tests.support.serve_process import ServeProcess
from tests.support.system import requires_program


@requires_program("curl")
@pytest.mark.timeout(180)
async def test_the_lines_work(tmp_path: Path) -> None:
    async with running(Service(ServiceConfig()), deliver=False) as service:
        await add_user(service.service)
    async with ServeProcess(tmp_path) as serve:
        rules = ("silent", "fail-with-body", f"connect-to = 127.0.0.1:8000:127.0.0.1:{serve.port}")
        (tmp_path / ".curlrc").write_text("\n".join(rules))
        login = {"grant_type": "password", "username": "ada@univ.example", "password": GOOD}
        token = (await serve.http.post("/v1/auth/token", data=login)).json()["access_token"]
        admin = await serve.key("admin")

        async def phone() -> Any:
            users = (await serve.http.get("/v1/users", headers=admin)).json()["items"]
            return next(u["phone"] for u in users if u["email"] == "ada@univ.example")

        give, confirm, remove = lines("Your phone number")
        known = {"ACCESS_TOKEN": token}
        await shell(give, tmp_path, **known)
        outbox = (await serve.http.get("/v1/outbox", headers=admin)).json()["items"]
        [known["CODE"]] = re.findall(r"\b\d{6}\b", outbox[0]["text"])
        assert await phone() is None
        await shell(confirm, tmp_path, **known)
        assert await phone() == "+33612345678"
        await shell(remove, tmp_path, **known)
        assert await phone() is None
