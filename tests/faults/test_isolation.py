"""A slow channel delays no other, a bulk notification no other, and neither delays urgent mail."""

import socket
from collections.abc import AsyncIterator

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.faults.ledger import MailLedger
from tests.support.manual_clock import ManualClock
from tests.support.running import SECURITY, Running, running

BATCH = 200
WORKERS = 4
CONNECTIONS = 8
# Of these, for urgent mail.
RESERVED = 2


@pytest.fixture
async def mail(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MailLedger]:
    """A mail server, and settings that make it a bottleneck."""
    async with MailLedger() as ledger:
        monkeypatch.setenv("FLASHNOTIFY_EMAIL_URL", ledger.url)
        monkeypatch.setenv("FLASHNOTIFY_SMTP_CONNECTIONS", str(CONNECTIONS))
        monkeypatch.setenv("FLASHNOTIFY_WORKERS", str(WORKERS))
        monkeypatch.setenv("FLASHNOTIFY_DRAIN_SECONDS", "0")
        yield ledger


@pytest.fixture
async def service(mail: MailLedger, clock: ManualClock) -> AsyncIterator[Running]:
    """A service that sends through `mail`."""
    async with running(Service(ServiceConfig(), clock)) as started:
        yield started


@pytest.mark.parametrize("priority", ["low", "critical"])
async def test_an_sms_does_not_wait_for_mail_that_hangs(
    priority: str, mail: MailLedger, service: Running
) -> None:
    """More batches than workers hang, of the same priority as the SMS."""
    mail.hangs = True
    to = [f"mailto:hang{n}@univ.example" for n in range(BATCH * (WORKERS + 2))]
    bulk = await service.send(priority=priority, to=to)
    for _ in range(CONNECTIONS - (RESERVED if priority == "low" else 0)):
        await mail.hung.get()
    sms = await service.send(**SECURITY | {"priority": priority})
    assert (await service.completed(sms))["counts"] == {"sms": {"sent": 1}}
    assert (await service.get(f"/v1/notifications/{bulk}"))["status"] == "sending"


async def test_one_mail_does_not_wait_for_a_bulk_that_came_before(
    mail: MailLedger, service: Running
) -> None:
    batches = 12
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


@pytest.mark.parametrize("priority", ["critical", "high"])
async def test_urgent_mail_overtakes_bulk_that_hangs(
    priority: str, mail: MailLedger, service: Running
) -> None:
    mail.hangs = True
    # More batches than workers, each with more recipients than connections.
    bulk = [
        await service.send(
            priority=low, to=[f"mailto:hang{n}-{m}@univ.example" for m in range(CONNECTIONS)]
        )
        for n in range(WORKERS)
        for low in ("low", "medium")
    ]
    for _ in range(CONNECTIONS - RESERVED):
        await mail.hung.get()

    # The clock stands still: no retry is due, and what hangs goes on hanging.
    for number in range(3):
        to = [f"mailto:urgent{number}-{m}@univ.example" for m in range(5)]
        urgent = await service.completed(await service.send(priority=priority, to=to))
        assert urgent["counts"] == {"email": {"sent": 5}}
    # Bulk has taken none of what is kept for others.
    assert mail.hung.empty()
    for id in bulk:
        assert (await service.get(f"/v1/notifications/{id}"))["status"] != "completed"


async def test_urgent_mail_overtakes_bulk_over_a_dead_transport(
    mail: MailLedger, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a second transport, a dead one delays nobody."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"smtp://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_URL", f"{dead} {mail.url}")
    mail.hangs = True
    async with running(Service(ServiceConfig(), clock)) as service:
        await service.send(to=[f"mailto:hang{m}@univ.example" for m in range(2 * CONNECTIONS)])
        for _ in range(CONNECTIONS - RESERVED):
            await mail.hung.get()
        urgent = await service.completed(await service.send(priority="critical"))
        assert urgent["counts"] == {"email": {"sent": 1}}
        assert mail.hung.empty()
