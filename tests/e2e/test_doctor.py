"""`flashnotify doctor`, with and without a `serve` of its own process."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_process import CommandProcess
from tests.support.in_process_cli import InProcessCli
from tests.support.running import ACADEMIC
from tests.support.serve_process import Finished
from tests.support.smtp_server import SmtpServer

# Each command is a process that has to start, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)


def findings(finished: Finished) -> dict[str, dict[str, Any]]:
    """Return its findings by part."""
    found = json.loads(finished.stdout)
    failed = found["state"] == "failed"
    assert finished.code == (1 if failed else 0), finished
    assert failed == any(f["state"] == "failed" for f in found["findings"])
    assert all(f["remedy"] for f in found["findings"] if f["state"] != "ok")
    return {finding["part"]: finding for finding in found["findings"]}


async def test_before_the_first_start_it_finds_nothing_wrong_and_makes_nothing(
    tmp_path: Path,
) -> None:
    finished = await InProcessCli(tmp_path).cli(
        "doctor", PUSH_URL="webpush:", PUSH_CONTACT="mailto:it@univ.example"
    )
    assert (finished.code, finished.stderr) == (0, "")
    assert "8 ok" in finished.stdout or "9 ok" in finished.stdout
    assert "warning  email capture://" in finished.stdout
    assert "nothing leaves this machine" in finished.stdout
    assert "-> To send for real, set FLASHNOTIFY_EMAIL_URL." in finished.stdout
    assert "\x1b" not in finished.stdout
    assert list(tmp_path.iterdir()) == []


async def test_names_that_set_nothing_and_transports_that_are_down_fail(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FLASHNOTIFY_WROKERS=4\n")
    settings = {"EMIAL_URL": "x", "EMAIL_URL": "smtp://127.0.0.1:1", "SMS_URL": "fax://1"}
    async with CommandProcess(tmp_path, "doctor", terminal=True, settings=settings) as doctor:
        assert await doctor.ends() == 1
    assert "\x1b[1;31mfailed" in doctor.seen
    plain = " ".join(doctor.seen.split())
    assert "Did you mean FLASHNOTIFY_EMAIL_URL?" in plain
    assert "Did you mean FLASHNOTIFY_WORKERS?" in plain
    assert "email smtp://127.0.0.1:1" in plain
    assert "Check that it runs and is reachable from here" in plain
    assert "has a URL with an unknown scheme" in plain


async def test_a_running_serve_is_asked(tmp_path: Path) -> None:
    async with SmtpServer() as smtp, InProcessCli(tmp_path, EMAIL_URL=smtp.url) as serve:
        part = f"serve (process {serve.pid})"
        found = findings(await serve.cli("doctor", "--json"))
        assert found[part] == {"part": part, "state": "ok", "found": "is ready", "remedy": None}
        email = f"email {smtp.url}"
        assert found[email]["state"] == "ok"
        assert found["archive"]["state"] == found["tables"]["state"] == "ok"

        # Other settings here than there.
        found = findings(await serve.cli("doctor", "--json", EMAIL_URL="capture://"))
        assert "other transports" in json.dumps(found)
        assert email in json.dumps(found)

        # What it has found out by sending.
        smtp.always("MAIL", "550 5.7.1 who are you")
        id = (await serve.admin.post("/v1/notifications", json=ACADEMIC)).json()["id"]
        while "who are you" not in (await serve.admin.get("/readyz")).text:
            assert (await serve.admin.get(f"/v1/notifications/{id}")).is_success
        found = findings(await serve.cli("doctor", "--json"))
        assert "who are you" in found[f"serve: {email}"]["found"]
        assert found[part]["state"] == "warning"
        assert smtp.mails == []

        # It hangs.
        serve.signal(signal.SIGSTOP)
        found = findings(await serve.cli("doctor", "--json"))
        assert "does not answer" in found[part]["found"]
        serve.signal(signal.SIGCONT)
