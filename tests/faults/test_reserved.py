"""A transport that hangs, or is dead, for bulk: what is urgent does not wait for it."""

import socket
from collections.abc import AsyncIterator

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.faults.ledger import MailLedger
from tests.support.manual_clock import ManualClock
from tests.support.running import running

CONNECTIONS = 8
RESERVED = 2
WORKERS = 4


@pytest.fixture
async def mail(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MailLedger]:
    """A mail server, and settings to match."""
    async with MailLedger() as ledger:
        monkeypatch.setenv("FLASHNOTIFY_EMAIL_URL", ledger.url)
        monkeypatch.setenv("FLASHNOTIFY_SMTP_CONNECTIONS", str(CONNECTIONS))
        monkeypatch.setenv("FLASHNOTIFY_WORKERS", str(WORKERS))
        monkeypatch.setenv("FLASHNOTIFY_DRAIN_SECONDS", "0")
        yield ledger


@pytest.mark.parametrize("priority", ["critical", "high"])
async def test_urgent_mail_overtakes_bulk_that_hangs(
    priority: str, mail: MailLedger, clock: ManualClock
) -> None:
    mail.hangs = True
    async with running(Service(ServiceConfig(), clock)) as service:
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
