"""Cancel what is not sent yet, and retry what failed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.channels.transport import CaptureTransport
from flashnotify.domain import Sent
from flashnotify.errors import Rejected
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import ACADEMIC, Running, running


class Gate:
    """Holds every send of the capture transport until it is opened, or refuses it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.reached = asyncio.Event()
        self.refusing = False
        send = CaptureTransport.send

        async def held(transport: CaptureTransport, content: object) -> Sent:
            self.reached.set()
            await self.open.wait()
            if self.refusing:
                raise Rejected("no such mailbox")
            return await send(transport, content)  # type: ignore[arg-type]

        monkeypatch.setattr(CaptureTransport, "send", held)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


@pytest.fixture
async def gated(gate: Gate, clock: ManualClock) -> AsyncIterator[Running]:
    async with running(Service(ServiceConfig(), clock)) as started:
        yield started


async def test_a_scheduled_notification_is_cancelled_and_never_sent(
    service: Running, clock: ManualClock
) -> None:
    id, other = [await service.send(send_at="2027-01-16T08:00:00+01:00") for _ in range(2)]
    answer = await service.http.post(f"/v1/notifications/{id}/cancel")
    assert answer.status_code == 200
    assert answer.json()["status"] == "cancelled"
    await clock.skip(2 * 24 * 3600)
    await service.completed(other)
    assert (await service.get(f"/v1/notifications/{id}"))["status"] == "cancelled"
    (message,) = (await service.get("/v1/outbox"))["items"]
    assert message["notification_id"] == other


async def test_deliveries_in_flight_finish_and_the_rest_is_cancelled(
    gated: Running, gate: Gate
) -> None:
    gate.open.clear()
    to = [f"mailto:p{number}@univ.example" for number in range(50)]
    id = await gated.send(to=to)
    await gate.reached.wait()
    deliveries = await gated.get(f"/v1/notifications/{id}/deliveries", limit=200)
    sending = [d for d in deliveries["items"] if d["status"] == "sending"]
    assert sending
    for status in ("sending", "queued"):
        page = await gated.get(f"/v1/notifications/{id}/deliveries", limit=200, status=status)
        assert page["items"] == [d for d in deliveries["items"] if d["status"] == status]
        assert page["items"]
    assert (await gated.http.post(f"/v1/notifications/{id}/cancel")).status_code == 200
    gate.open.set()
    shown = await gated.until(
        f"/v1/notifications/{id}", lambda found: "queued" not in found["counts"]["email"]
    )
    assert shown["status"] == "cancelled"
    counts = shown["counts"]["email"]
    assert sum(counts.values()) == 50
    assert counts["sent"] == len((await gated.get("/v1/outbox", limit=200))["items"]) < 50
    assert counts["sent"] >= len(sending)


async def test_a_completed_notification_cannot_be_cancelled(service: Running) -> None:
    id = await service.send()
    await service.completed(id)
    answer = await service.http.post(f"/v1/notifications/{id}/cancel")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_notification_that_completes_meanwhile_is_not_cancelled(
    gated: Running, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.open.clear()
    id = await gated.send()
    await gate.reached.wait()
    notifications = gated.service.archive.notifications
    cancel = notifications.cancel

    async def cancel_late(*given: Any) -> None:
        gate.open.set()
        await gated.completed(id)
        await cancel(*given)

    monkeypatch.setattr(notifications, "cancel", cancel_late)
    answer = await gated.http.post(f"/v1/notifications/{id}/cancel")
    assert answer.status_code == 409
    assert answer.json()["code"] == "notification_over"
    # What did not happen is not in the audit log, and the log goes on.
    monkeypatch.setattr(notifications, "cancel", cancel)
    assert (await gated.get("/v1/audit", action="notification.cancelled"))["items"] == []
    later = await gated.send(send_at="2027-06-01T00:00:00Z")
    assert (await gated.http.post(f"/v1/notifications/{later}/cancel")).is_success
    (entry,) = (await gated.get("/v1/audit", action="notification.cancelled"))["items"]
    assert entry["target"] == f"notification:{later}"
    assert (await gated.get("/v1/audit/verification"))["broken"] == []


async def test_failed_deliveries_are_retried_and_keep_their_attempts(
    gated: Running, gate: Gate
) -> None:
    gate.refusing = True
    id = await gated.send(to=["mailto:ada@univ.example", "mailto:emmy@univ.example"])
    failed = await gated.completed(id)
    assert failed["counts"] == {"email": {"failed": 2}}
    gate.refusing = False
    answer = await gated.http.post(f"/v1/notifications/{id}/retry")
    assert answer.status_code == 200
    shown = await gated.completed(id)
    assert shown["counts"] == {"email": {"sent": 2}}
    for delivery in (await gated.get(f"/v1/notifications/{id}/deliveries"))["items"]:
        assert [a["outcome"] for a in delivery["attempts"]] == ["rejected", "sent"]
        assert delivery["attempts"][0]["answer"] == "no such mailbox"


async def test_deliveries_that_fail_again_are_retried_once(gated: Running, gate: Gate) -> None:
    """Otherwise, the first ones would be retried for ever, and the others never."""
    gate.refusing = True
    to = [f"mailto:p{number}@univ.example" for number in range(1000)]
    id = await gated.send(to=[*to, "tel:+33612345678"])
    counts = {"email": {"failed": 1000}, "sms": {"failed": 1}}
    await gated.until(f"/v1/notifications/{id}", lambda found: found["counts"] == counts)
    assert (await gated.http.post(f"/v1/notifications/{id}/retry")).status_code == 200
    # The end of the last delivery completes it.
    shown = await gated.completed(id)
    assert shown["counts"] == counts
    query: dict[str, Any] = {"limit": 200}
    tries: Counter[int] = Counter()
    while query.get("cursor", "") is not None:
        page = await gated.get(f"/v1/notifications/{id}/deliveries", **query)
        tries.update(delivery["attempt_count"] for delivery in page["items"])
        query["cursor"] = page["next"]
    assert tries == {2: 1001}


async def test_the_response_reveals_nothing_without_the_read_scope(service: Running) -> None:
    key = await service.key("notify:academic")
    document = ACADEMIC | {"reference": "r-1"}
    sent = await service.anonymous.post("/v1/notifications", json=document, headers=key)
    id = sent.json()["id"]
    await service.completed(id)
    answer = await service.anonymous.post(f"/v1/notifications/{id}/retry", headers=key)
    assert answer.json() == {
        "id": id,
        "status": "completed",
        "href": f"/v1/notifications/{id}",
        "counts": {"email": {"sent": 1}},
    }


async def test_retry_without_failures_sends_nothing(service: Running) -> None:
    id = await service.send()
    await service.completed(id)
    answer = await service.http.post(f"/v1/notifications/{id}/retry")
    assert answer.json()["status"] == "completed"
    assert len((await service.get("/v1/outbox"))["items"]) == 1


async def test_a_cancelled_notification_is_not_retried(service: Running) -> None:
    id = await service.send(send_at="2027-12-01T08:00:00+01:00")
    await service.http.post(f"/v1/notifications/{id}/cancel")
    assert (await service.http.post(f"/v1/notifications/{id}/retry")).status_code == 409


@pytest.mark.parametrize("action", ["cancel", "retry"])
async def test_cancel_and_retry_need_a_scope_to_send(service: Running, action: str) -> None:
    unknown = "01a204ab-133f-7000-95d3-66f8d33980d8"
    for id in (unknown, await service.send(send_at="2027-12-01T08:00:00+01:00")):
        for scopes, status in ((("read",), 403), (("notify:*", "read:all"), 404)):
            key = await service.key(*scopes)
            answer = await service.anonymous.post(f"/v1/notifications/{id}/{action}", headers=key)
            assert answer.status_code == status, scopes
