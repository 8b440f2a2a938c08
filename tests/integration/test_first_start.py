"""`serve` on a new archive: how to sign in is printed, once, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.in_process_cli import InProcessCli
from tests.support.passwords import GOOD

# As in test_cli.
pytestmark = pytest.mark.timeout(180)


async def test_the_first_start_prints_a_password_once(tmp_path: Path) -> None:
    async with InProcessCli(tmp_path, SECRET_KEY="a" * 32) as serve:
        printed = re.search(
            rf"Sign in at {serve.url}/sign-in as (\S+) with the password (\S+) \(not shown again\)",
            serve.stdout,
        )
        assert printed is not None
        email, password = printed.groups()
        assert email == "admin@localhost.example"
        assert password not in serve.stderr
        assert email in (await serve.cli("users", "list")).stdout
        assert (await serve.cli("keys", "create", "--name=x", "--scope=read")).code == 0
        assert "it has changed" not in (await serve.cli("doctor")).stdout
        await serve.terminate()
        before = len(serve.stdout)
        serve.settings["SECRET_KEY"] = "b" * 32
        assert "it is not the one that serve used last" in (await serve.cli("doctor")).stdout
        await serve.start()
        assert "password" not in serve.stdout[before:]
        (warned,) = [entry for entry in serve.log() if entry["event"] == "secret_key.changed"]
        assert "create new API keys" in warned["meaning"]
        assert "it has changed: 1 API keys are older" in (await serve.cli("doctor")).stdout


async def test_the_settings_name_the_first_admin(tmp_path: Path) -> None:
    settings = {"ADMIN_EMAIL": "it@univ.example", "ADMIN_PASSWORD": GOOD}
    async with InProcessCli(tmp_path, "--trial", **settings) as serve:
        assert (
            f"Sign in at {serve.url}/sign-in as it@univ.example with the password in "
            "FLASHNOTIFY_ADMIN_PASSWORD\n"
        ) in serve.stdout
        assert GOOD not in serve.stdout + serve.stderr


def test_doctor_warns_of_a_weak_password(tmp_path: Path) -> None:
    cli = InProcessCli(tmp_path, ADMIN_PASSWORD="password1234")
    shown = cli._run(("doctor",), "", cli.settings)
    assert "FLASHNOTIFY_ADMIN_PASSWORD" in shown.stdout
    assert "is easy to guess" in shown.stdout
    assert "password1234" not in shown.stdout


async def test_a_weak_password_prevents_the_first_start(tmp_path: Path) -> None:
    serve = InProcessCli(tmp_path, ADMIN_PASSWORD="password1234")
    refused = await serve.cli("serve", "--port=0", ADMIN_PASSWORD="password1234")
    assert refused.code == 1
    assert "flashnotify: FLASHNOTIFY_ADMIN_PASSWORD: is easy to guess." in refused.stderr
    assert "password1234" not in refused.stdout + refused.stderr
