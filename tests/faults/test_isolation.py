"""A slow channel delays no other, and a bulk notification no other notification."""

from collections.abc import AsyncIterator

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.faults.ledger import MailLedger
from tests.support.manual_clock import ManualClock
from tests.support.running import SECURITY, running

BATCH = 200
WORKERS = 4
CONNECTIONS = 4


@pytest.fixture
async def mail(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MailLedger]:
    """A mail server, and settings to match."""
    async with MailLedger() as ledger:
        monkeypatch.setenv("FLASHNOTIFY_EMAIL_URL", ledger.url)
        monkeypatch.setenv("FLASHNOTIFY_SMTP_CONNECTIONS", str(CONNECTIONS))
        monkeypatch.setenv("FLASHNOTIFY_WORKERS", str(WORKERS))
        monkeypatch.setenv("FLASHNOTIFY_DRAIN_SECONDS", "0")
        yield ledger


@pytest.mark.parametrize("priority", ["low", "critical"])
async def test_an_sms_does_not_wait_for_mail_that_hangs(
    priority: str, mail: MailLedger, clock: ManualClock
) -> None:
    """More batches than workers hang, of the same priority as the SMS."""
    mail.hangs = True
    async with running(Service(ServiceConfig(), clock)) as service:
        to = [f"mailto:hang{n}@univ.example" for n in range(BATCH * (WORKERS + 2))]
        bulk = await service.send(priority=priority, to=to)
        for _ in range(CONNECTIONS - (priority == "low")):
            await mail.hung.get()
        sms = await service.send(**SECURITY | {"priority": priority})
        assert (await service.completed(sms))["counts"] == {"sms": {"sent": 1}}
        assert (await service.get(f"/v1/notifications/{bulk}"))["status"] == "sending"


async def test_one_mail_does_not_wait_for_a_bulk_that_came_before(
    mail: MailLedger, clock: ManualClock
) -> None:
    batches = 20
    async with running(Service(ServiceConfig(), clock)) as service:
        to = [f"mailto:p{n}@univ.example" for n in range(BATCH * batches)]
        bulk = await service.send(to=to)
        await mail.until_taken(BATCH)
        single = await service.send(to=["mailto:ada@univ.example"])
        await service.completed(single)
        await service.completed(bulk)
        recipients = [recipient for _, recipient in mail.taken]
        # What is in flight ends first: a batch for each worker that is not reserved, and the few
        # that were sent while it was accepted and fanned out.
        assert recipients.index("ada@univ.example") < BATCH * batches / 2
        assert len(recipients) == BATCH * batches + 1
