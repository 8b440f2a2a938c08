"""Delivery reports: proven, applied once, and only to a delivery that was sent."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from flashnotify.archive.records import Delivery
from flashnotify.delivery import receipts
from flashnotify.delivery.receipts import Receipts, Report
from flashnotify.domain import DeliveryStatus, Sent
from flashnotify.errors import NotFound, Rejected, Retryable, Unavailable
from tests.support.delivering import Delivering
from tests.support.manual_clock import ManualClock

SMS = "tel:+33612345678"
REASON = "the gateway reports that it cannot be delivered"


def reports(delivering: Delivering) -> Receipts:
    """Return what takes reports. A token is proof when it is the text backwards."""
    proves = lambda text, token: token == text[::-1]  # noqa: E731
    return Receipts(delivering.archive, delivering.clock, proves, delivering.refused)


async def take(
    taking: Receipts, id: UUID, report: Report, gateway: str = "kannel", token: str | None = None
) -> DeliveryStatus:
    """Take a report with its token."""
    proof = f"kannel {id}"[::-1] if token is None else token
    return await taking.take(gateway, id, proof, report)


async def sent(delivering: Delivering, answer: Any = None) -> Delivery:
    """Send an SMS; return its delivery."""
    if answer is not None:
        delivering.transports["sms"][0].script.append(answer)
    (job,) = await delivering.batches(SMS)
    await delivering.execute(job)
    delivering.archive.writes.clear()
    return delivering.deliveries()[-1]


async def test_a_sent_delivery_becomes_delivered_in_one_write(delivering: Delivering) -> None:
    delivery = await sent(delivering)
    taking = reports(delivering)
    assert await take(taking, delivery.id, Report.delivered) is DeliveryStatus.delivered
    assert delivering.archive.writes == ["deliveries.confirm"]
    assert delivering.statuses() == [("+33612345678", "delivered", None)]
    counts = await delivering.archive.notifications.counts(delivery.notification_id)
    assert counts == {"sms": {"delivered": 1}}


async def test_only_the_first_report_counts(delivering: Delivering) -> None:
    delivery = await sent(delivering)
    taking = reports(delivering)
    answers = await asyncio.gather(
        *(take(taking, delivery.id, Report.delivered) for _ in range(5)),
        take(taking, delivery.id, Report.undeliverable),
    )
    assert set(answers) == {DeliveryStatus.delivered}
    assert delivering.archive.writes == ["deliveries.confirm"]


async def test_an_undeliverable_message_stays_sent_with_a_reason(delivering: Delivering) -> None:
    delivery = await sent(delivering)
    taking = reports(delivering)
    assert await take(taking, delivery.id, Report.undeliverable) is DeliveryStatus.sent
    assert delivering.statuses() == [("+33612345678", "sent", REASON)]
    # Gateways change their mind: a phone that was off is switched on.
    assert await take(taking, delivery.id, Report.delivered) is DeliveryStatus.delivered
    assert delivering.statuses() == [("+33612345678", "delivered", None)]


async def test_a_message_under_way_changes_nothing(delivering: Delivering) -> None:
    delivery = await sent(delivering)
    assert await take(reports(delivering), delivery.id, Report.under_way) is DeliveryStatus.sent
    assert delivering.archive.writes == []


async def test_a_delivery_that_failed_stays_failed(delivering: Delivering) -> None:
    delivery = await sent(delivering, Rejected("no"))
    assert await take(reports(delivering), delivery.id, Report.delivered) is DeliveryStatus.failed
    assert delivering.archive.writes == []


@pytest.mark.parametrize("token", ["", "é", "x"])
async def test_a_report_without_its_token_is_of_nothing(delivering: Delivering, token: str) -> None:
    delivery = await sent(delivering)
    with pytest.raises(NotFound):
        await take(reports(delivering), delivery.id, Report.delivered, token=token)
    assert delivering.archive.writes == []


async def test_a_token_is_good_for_its_delivery_and_gateway_only(delivering: Delivering) -> None:
    delivery, other = await sent(delivering), await sent(delivering)
    taking = reports(delivering)
    proof = f"kannel {delivery.id}"[::-1]
    with pytest.raises(NotFound):
        await take(taking, other.id, Report.delivered, token=proof)
    with pytest.raises(NotFound):
        await take(taking, delivery.id, Report.delivered, gateway="other", token=proof)


async def test_a_delivery_that_was_purged_is_not_found(delivering: Delivering) -> None:
    with pytest.raises(NotFound):
        await take(reports(delivering), UUID(int=1), Report.delivered)


async def test_a_report_that_comes_before_the_result_waits_for_it(
    delivering: Delivering, clock: ManualClock
) -> None:
    """The disk is slow, and the gateway is not."""
    (job,) = await delivering.batches(SMS)
    (delivery,) = delivering.deliveries()
    taking = asyncio.create_task(take(reports(delivering), delivery.id, Report.delivered))
    await asyncio.sleep(0)
    await clock.advance(2)
    assert not taking.done()
    await delivering.execute(job)
    for _ in range(3):
        await clock.advance(2)
    assert await taking is DeliveryStatus.delivered


async def test_a_report_waits_about_six_seconds(delivering: Delivering, clock: ManualClock) -> None:
    delivering.transports["sms"][0].script.append(Retryable("busy"))
    (job,) = await delivering.batches(SMS)
    await delivering.execute(job)
    (delivery,) = delivering.deliveries()
    taking = asyncio.create_task(take(reports(delivering), delivery.id, Report.delivered))
    began = clock.now()
    while not taking.done():
        await clock.advance(0.05)
        for _ in range(5):
            await asyncio.sleep(0)
    with pytest.raises(Unavailable) as caught:
        await taking
    assert caught.value.retry_after == 30
    assert 5000 <= clock.now() - began <= 8000


async def test_a_message_under_way_waits_for_nothing(delivering: Delivering) -> None:
    await delivering.batches(SMS)
    (delivery,) = delivering.deliveries()
    assert await take(reports(delivering), delivery.id, Report.under_way) is DeliveryStatus.queued


async def test_not_too_many_reports_wait(
    delivering: Delivering, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "_MAX_WAITING", 2)
    taking = reports(delivering)
    ids = []
    for _ in range(3):
        await delivering.batches(SMS)
        ids.append(delivering.deliveries()[-1].id)
    waiting = [asyncio.create_task(take(taking, id, Report.delivered)) for id in ids[:2]]
    for _ in range(5):
        await asyncio.sleep(0)
    with pytest.raises(Unavailable) as caught:
        await take(taking, ids[2], Report.delivered)
    assert caught.value.retry_after == 5
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    # A report that stops waiting makes room.
    third = asyncio.create_task(take(taking, ids[2], Report.delivered))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not third.done()
    third.cancel()
    await asyncio.wait({third})


async def test_reports_on_one_delivery_do_not_hold_up_another(delivering: Delivering) -> None:
    await delivering.batches(SMS)
    early = delivering.deliveries()[-1].id
    delivery = await sent(delivering, Sent("ok"))
    taking = reports(delivering)
    waiting = asyncio.create_task(take(taking, early, Report.delivered))
    await asyncio.sleep(0)
    assert await take(taking, delivery.id, Report.delivered) is DeliveryStatus.delivered
    waiting.cancel()
    await asyncio.wait({waiting})
