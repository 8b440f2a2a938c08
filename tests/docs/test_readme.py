"""Every block of README.md works as printed, in order, as a new user runs them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.command_process import ShellProcess
from tests.support.eventually import eventually
from tests.support.http_server import HttpServer, Received, Reply
from tests.support.smtp_server import SmtpServer
from tests.support.system import requires_program

pytestmark = [pytest.mark.timeout(180), requires_program("curl"), requires_program("make")]

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
INSTALL, *USE, FOR_REAL = BLOCKS
# It follows events until it is interrupted.
USE.sort(key=lambda block: "flashnotify tail" in block)


SEND_AND_CHECK = """
.venv/bin/flashnotify send --kind security --title Fire \\
  --data location=B --data instructions=Leave \\
  --to mailto:ada@univ.example --to tel:+33612345678 'Leave the building.'
.venv/bin/flashnotify doctor
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which make has nothing left to install."""
    folder = tmp_path / "flashnotify"
    (folder / ".venv" / "bin").mkdir(parents=True)
    command = folder / ".venv" / "bin" / "flashnotify"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m flashnotify "$@"\n')
    command.chmod(0o755)
    (folder / "Makefile").symlink_to(ROOT / "Makefile")
    for name in ("pyproject.toml", "requirements.lock", "requirements-build.lock"):
        (folder / name).touch()
    for name in (".stamp-venv", ".stamp-run"):
        (folder / ".venv" / name).touch()
    return folder


def environment(checkout: Path, **more: str) -> Mapping[str, str]:
    """Return the environment of a shell that has just been opened, but on any free port."""
    search = os.environ["PATH"]
    return {"PATH": search, "HOME": str(checkout), "ARGS": "--port 0", "COLUMNS": "200", **more}


async def serving(shell: ShellProcess) -> str:
    """Return the URL of the service once it answers."""
    found = re.search(r"answers at http://(\S+)", await shell.until("\nSee wh"))
    assert found
    return found[1]


async def test_the_first_hour(checkout: Path) -> None:
    async with ShellProcess(checkout, INSTALL, environment(checkout)) as serve:
        # The README has the usual port, which another test may be using.
        address = await serving(serve)
        rules = ("silent", "show-error", "fail-with-body", f"connect-to = 127.0.0.1:8000:{address}")
        (checkout / ".curlrc").write_text("\n".join(rules))
        async with ShellProcess(checkout, "\n".join(USE), environment(checkout)) as user:
            seen = await user.until("Following")
            await user.interrupt()
        for words in (
            '"status":"queued"',
            '"reference":"scolarite-8841"',
            '"subject":"[ALG-2] Salle modifiée"',
            '"outcome":"all_sent"',
            "academic: Room changed",
            "\nfn_",
            '"counts":{"email":{"sent":1}}',
            '"outcome":"sent"',
            '"scope":"notify:academic read"',
        ):
            assert words in seen
        await serve.interrupt()
        assert "serve.stopping" in serve.seen


async def kannel(request: Received) -> Reply:
    """Answer as Kannel's sendsms does; without a number it is a check."""
    return Reply(202, "0: Accepted for delivery") if "to" in request.query else Reply(400)


async def test_sending_for_real(checkout: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trust = {"SSL_CERT_FILE": str(authority.ca_file)}
    async with (
        SmtpServer(starttls=authority.server(), accounts={"user": "password"}) as smtp,
        HttpServer(kannel) as sms,
        HttpServer(Reply(200, '{"healthy": true}'), tls=authority.server()) as ntfy,
    ):
        block = FOR_REAL
        for provider, ours in {
            "mail.univ.example:587": f"127.0.0.1:{smtp.port}",
            "127.0.0.1:13013": sms.host,
            "ntfy.univ.example": ntfy.host,
        }.items():
            assert block.count(provider) == 1
            block = block.replace(provider, ours)
        async with ShellProcess(checkout, block, environment(checkout, **trust)) as serve:
            await serving(serve)
            settings, _, _ = block.rpartition("make run")
            script = settings + SEND_AND_CHECK
            async with ShellProcess(checkout, script, environment(checkout, **trust)) as user:
                assert await user.ends() == 0, user.seen
            (mail,) = await eventually(lambda: smtp.mails)
            assert mail.message["From"] == "Campus <noreply@univ.example>"
            assert (mail.login, mail.encrypted) == ("user", True)
            await eventually(lambda: [r for r in sms.requests if "to" in r.query])
