"""`status`, `cancel`, `retry` and the lists of the command line, beside a running `serve`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from tests.support.eventually import eventually
from tests.support.in_process_cli import InProcessCli
from tests.support.running import ACADEMIC
from tests.support.smtp_server import SmtpServer
from tests.support.watching import completed

# One loop, so that the tests can share a `serve`.
pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

# An address is suspended after three refusals.
REFUSED, AWAY = "mailto:gone@univ.example", "mailto:away@univ.example"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def commands(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[InProcessCli]:
    """A `serve` whose mail server does not know one of the recipients."""
    folder: Path = tmp_path_factory.mktemp("lists")
    async with SmtpServer() as smtp:
        smtp.always("RCPT gone@univ.example", "550 5.1.1 nobody of that name")
        smtp.always("RCPT away@univ.example", "550 5.1.1 nobody of that name")
        smtp.always("RCPT full@univ.example", "452 4.2.2 mailbox full")
        async with InProcessCli(folder, EMAIL_URL=smtp.url) as served:
            yield served


async def sent(commands: InProcessCli, *to: str) -> str:
    """Send the academic example, and return its id once it is completed."""
    answer = await commands.admin.post("/v1/notifications", json=ACADEMIC | {"to": to})
    await completed(commands, id := answer.json()["id"])
    return str(id)


async def test_status_says_when_nothing_was_sent(commands: InProcessCli) -> None:
    id = await sent(commands, REFUSED)
    shown = await commands.cli("status", id)
    assert shown.code == 1
    assert shown.stdout.startswith("Nothing was sent: 1 failed\nacademic: Room changed\n")
    assert (await commands.cli("status", "--json", id)).code == 1
    listed = await commands.cli("list", "--outcome=all_failed")
    assert id in listed.stdout


async def test_status_shows_what_is_not_sent_first(commands: InProcessCli) -> None:
    id = await sent(commands, "mailto:ada@univ.example", REFUSED, "mailto:bob@univ.example")
    shown = await commands.cli("status", id)
    assert (shown.code, shown.stderr) == (0, "")
    assert shown.stdout.startswith("1 failed, 2 sent\n")
    rows = re.findall(r"(\w+)@univ\.example +│ (\w+)", shown.stdout)
    assert rows[0] == ("gone", "failed")
    assert {status for _, status in rows[1:]} == {"sent"}
    assert "nobody of that name" in shown.stdout


async def test_status_shows_when_the_next_attempt_is_and_why_it_waits(
    commands: InProcessCli,
) -> None:
    document = ACADEMIC | {"to": ["mailto:full@univ.example"]}
    id = (await commands.admin.post("/v1/notifications", json=document)).json()["id"]

    async def waits() -> bool:
        page = (await commands.admin.get(f"/v1/notifications/{id}/deliveries")).json()
        return any(item["waiting"] for item in page["items"])

    await eventually(waits)
    shown = await commands.cli("status", id)
    assert (shown.code, shown.stdout.startswith("1 queued\n")) == (0, True)
    assert re.search(
        r"queued +│ \d+ +│ 2\d{3}-\d\d-\d\d [\d:]{8} \(retrying\) +│.*mailbox full", shown.stdout
    )
    assert (await commands.cli("cancel", id)).code == 0


async def test_deliveries_of_all_notifications(commands: InProcessCli) -> None:
    id = await sent(commands, "mailto:carol@univ.example", REFUSED)
    got = await commands.cli("deliveries", "--to", "Carol@univ.example")
    assert len(re.findall(rf"{id}.*carol@univ.example.*sent", got.stdout)) == 1
    failed = await commands.cli("deliveries", "--status=failed", "--since=today")
    assert re.search(rf"{id}.*gone@univ.example.*nobody of that name", failed.stdout)
    none = await commands.cli("deliveries", "--until=2020-01-01T08:00")
    assert (none.code, none.stdout) == (0, "No delivery matches.\n")
    nobody = await commands.cli("deliveries", "--to=carol")
    assert nobody.stdout.startswith("No delivery to this address matches. --to takes the whole")
    wrong = await commands.cli("deliveries", "--since=soon")
    assert wrong.code == 1
    assert wrong.stderr.startswith("flashnotify: --since: must be a date and time")


async def test_retry_and_cancel(commands: InProcessCli) -> None:
    id = await sent(commands, AWAY)
    retried = await commands.cli("retry", id)
    # It may have failed again already.
    assert re.fullmatch(r"\w+: 1 (queued|failed)\n", retried.stdout)
    fine = await commands.cli("retry", await sent(commands, "mailto:ada@univ.example"))
    assert (fine.code, fine.stdout) == (0, "nothing failed; completed: 1 sent\n")
    later = {"send_at": "2099-01-01T08:00:00Z"}
    answer = await commands.admin.post("/v1/notifications", json=ACADEMIC | later)
    cancelled = await commands.cli("cancel", answer.json()["id"])
    assert (cancelled.code, cancelled.stdout) == (0, "cancelled: no deliveries yet\n")
    again = await commands.cli("cancel", "0196e0a0-0000-7000-8000-000000000000")
    assert (again.code, again.stderr) == (1, "flashnotify: No notification has this id.\n")


async def test_kinds_channels_and_devices(commands: InProcessCli) -> None:
    kinds = await commands.cli("kinds")
    assert re.search(
        r"security +│ critical +│ email sms push chat in_app +│ location\* ", kinds.stdout
    )
    channels = await commands.cli("channels")
    assert re.search(r"email +│ mailto: +│ smtp://127\.0\.0\.1:\d+ ", channels.stdout)
    assert (await commands.cli("devices")).stdout == "No device is registered.\n"
    await commands.admin.post("/v1/devices", json={"type": "ntfy", "topic": "ada-5Hk2xQ"})
    assert re.search(
        r"push:[0-9a-f-]{36} +│ ntfy +│ ada-5Hk2xQ", (await commands.cli("devices")).stdout
    )


async def test_queue_shows_what_waits_and_why(commands: InProcessCli) -> None:

    async def nothing_waits() -> bool:
        return (await commands.cli("queue")).stdout == "Nothing waits.\n"

    # Other tests may have left something that is about to end.
    await eventually(nothing_waits)
    later = ACADEMIC | {"send_at": "2100-01-01T08:00:00+01:00"}
    id = (await commands.admin.post("/v1/notifications", json=later)).json()["id"]
    shown = (await commands.cli("queue")).stdout
    assert re.search(r"fan-out\s+.*low\s+.*scheduled\s+.*1\s+.*\d s", shown), shown
    assert '"reason": "scheduled"' in (await commands.cli("queue", "--json")).stdout
    await commands.admin.post(f"/v1/notifications/{id}/cancel")


async def test_times_are_those_of_the_campus(commands: InProcessCli) -> None:
    id = await sent(commands, AWAY)
    await commands.cli("keys", "create", "--name=x", "--scope=read", "--expires-at=2099-01-01")
    accepted = (await commands.admin.get(f"/v1/notifications/{id}")).json()["accepted_at"]
    here = datetime.fromisoformat(accepted).astimezone(ZoneInfo("Pacific/Kiritimati"))
    for command in (("list",), ("deliveries",), ("status", id)):
        shown = await commands.cli(*command, TIMEZONE="Pacific/Kiritimati")
        assert f"{here:%Y-%m-%d %H:}" in shown.stdout
        assert shown.stdout.count("(Pacific/Kiritimati)") == 1
    keys = await commands.cli("keys", "list", TIMEZONE="Pacific/Kiritimati")
    assert "last used (Pacific/Kiritimati)" in keys.stdout
    assert re.search(r"expires 2099-01-01 \d\d:00:00 ", keys.stdout)
