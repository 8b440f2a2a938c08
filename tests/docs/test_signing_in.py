"""The curl lines of docs/api.md on signing in, with a real `serve`; then a restart and rotation."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.support.people import GOOD, add_user
from tests.support.running import running
from tests.support.serve_process import ServeProcess
from tests.support.system import requires_program

pytestmark = [pytest.mark.timeout(180), requires_program("curl")]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
SECTION = PAGE.read_text().partition("\n## Signing in\n")[2].partition("\n## ")[0]
(BLOCK,) = re.findall(r"^```sh\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
LINES = BLOCK.replace("\\\n", " ").splitlines()


async def shell(line: str, folder: Path, **variables: str) -> Any:
    """Return the JSON that a command prints; None if it prints nothing."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", line), env={"HOME": str(folder), **variables}, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out
    return json.loads(out) if out else None


async def test_the_lines_work_and_tokens_survive_a_new_secret_key(tmp_path: Path) -> None:
    async with running(Service(ServiceConfig()), deliver=False) as service:
        user = await add_user(service.service)
    async with ServeProcess(tmp_path) as serve:
        rules = ("silent", "fail-with-body", f"connect-to = 127.0.0.1:8000:127.0.0.1:{serve.port}")
        (tmp_path / ".curlrc").write_text("\n".join(rules))
        key = (await serve.key("read"))["Authorization"].removeprefix("Bearer ")
        login = {"LOGIN": "ada@univ.example", "PASSWORD": GOOD, "KEY": key}
        signed_in = await shell(LINES[0], tmp_path, **login)
        tokens = {"ACCESS_TOKEN": signed_in["access_token"]}
        tokens["REFRESH_TOKEN"] = first = signed_in["refresh_token"]
        assert (await shell(LINES[1], tmp_path, **login))["scope"] == "read"
        assert (await shell(LINES[2], tmp_path, **tokens))["id"] == f"user:{user.id}"
        tokens["REFRESH_TOKEN"] = (await shell(LINES[3], tmp_path, **tokens))["refresh_token"]
        assert await serve.terminate() == 0
        secret = serve.archive.with_name("flashnotify.db.secret").read_text().strip()
        serve.settings |= {"SECRET_KEY": "n" * 32, "PREVIOUS_SECRET_KEYS": secret}
        await serve.start()
        rules = (*rules[:2], f"connect-to = 127.0.0.1:8000:127.0.0.1:{serve.port}")
        (tmp_path / ".curlrc").write_text("\n".join(rules))
        assert (await shell(LINES[2], tmp_path, **tokens))["id"] == f"user:{user.id}"
        renewed = await shell(LINES[3], tmp_path, **tokens)
        assert await shell(LINES[4], tmp_path, REFRESH_TOKEN=renewed["refresh_token"]) is None
        headers = {"Authorization": f"Bearer {renewed['access_token']}"}
        assert (await serve.http.get("/v1/auth/me", headers=headers)).status_code == 401
        # The first refresh token was used before, and its family is revoked.
        form = {"grant_type": "refresh_token", "refresh_token": first}
        assert (await serve.http.post("/v1/auth/token", data=form)).status_code == 400
        both = (renewed["access_token"], renewed["refresh_token"])
        for credential in (*tokens.values(), *both, GOOD, key):
            assert credential not in serve.stderr
