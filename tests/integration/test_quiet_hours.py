"""In quiet hours, only email and critical notifications are sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import Running, running

EVENING = datetime.fromisoformat("2026-12-01T22:30:00+01:00")
MORNING = datetime.fromisoformat("2026-12-02T07:00:00+01:00")
NIGHT = (MORNING - EVENING).total_seconds()
TO = ["mailto:ada@univ.example", "tel:+33612345678"]
WAITS = "waits for the end of quiet hours"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(round(EVENING.timestamp() * 1000))


@asynccontextmanager
async def paris(clock: ManualClock) -> AsyncIterator[Running]:
    async with running(Service(ServiceConfig(timezone="Europe/Paris"), clock)) as started:
        yield started


async def deliveries(service: Running, id: str) -> dict[str, Any]:
    """Return the deliveries of a notification, by channel."""
    found = await service.get(f"/v1/notifications/{id}/deliveries")
    return {delivery["channel"]: delivery for delivery in found["items"]}


async def once(service: Running, id: str, channel: str, status: str) -> dict[str, Any]:
    """Return all deliveries, once the one on `channel` has `status`."""
    await service.until(
        f"/v1/notifications/{id}/deliveries",
        lambda found: any(
            d["channel"] == channel and d["status"] == status for d in found["items"]
        ),
    )
    return await deliveries(service, id)


async def test_sms_wait_for_the_morning_and_email_does_not(clock: ManualClock) -> None:
    async with paris(clock) as service:
        id = await service.send(to=TO)
        found = await once(service, id, "email", "sent")
        assert found["sms"]["status"] == "queued"
        assert found["sms"]["reason"] == WAITS
        assert datetime.fromisoformat(found["sms"]["next_attempt_at"]) == MORNING
        assert (await service.get(f"/v1/notifications/{id}"))["status"] == "sending"

        await clock.advance(NIGHT - 1)
        assert (await deliveries(service, id))["sms"]["status"] == "queued"
        await clock.advance(1)
        shown = await service.completed(id)
        assert shown["counts"] == {"email": {"sent": 1}, "sms": {"sent": 1}}
        assert (await deliveries(service, id))["sms"]["reason"] is None


async def test_waiting_deliveries_are_sent_as_quiet_hours_end(clock: ManualClock) -> None:
    """The scheduler is woken up, and does not depend on its next regular check."""
    await clock.advance(NIGHT - 30)
    async with paris(clock) as service:
        id = await service.send(to=TO[1:])
        await once(service, id, "sms", "queued")
        await clock.advance(30)
        await service.completed(id)


async def test_push_waits_too(clock: ManualClock) -> None:
    async with paris(clock) as service:
        device = {"type": "ntfy", "topic": "ada"}
        answer = await service.http.post("/v1/devices", json=device)
        assert answer.status_code == 201, answer.text
        id = await service.send(to=[f"push:{answer.json()['id']}"])
        found = await once(service, id, "push", "queued")
        assert found["push"]["reason"] == WAITS


async def test_critical_notifications_are_sent_at_once(clock: ManualClock) -> None:
    async with paris(clock) as service:
        id = await service.send(to=TO, priority="critical")
        shown = await service.completed(id)
        assert shown["counts"] == {"email": {"sent": 1}, "sms": {"sent": 1}}


async def test_quiet_hours_use_the_campus_time_zone(clock: ManualClock) -> None:
    """In UTC it is 21:30, before quiet hours."""
    async with running(Service(ServiceConfig(), clock)) as service:
        id = await service.send(to=TO)
        await service.completed(id)


async def test_deliveries_that_expire_in_quiet_hours_end_as_expired(clock: ManualClock) -> None:
    async with paris(clock) as service:
        id = await service.send(to=TO[1:], expires_at="2026-12-02T01:00:00+01:00")
        await once(service, id, "sms", "queued")
        await clock.advance(2.5 * 3600)
        found = await once(service, id, "sms", "skipped")
        assert found["sms"]["reason"] == "expired"
        shown = await service.get(f"/v1/notifications/{id}")
        assert shown["status"] == "expired"
        assert datetime.fromisoformat(shown["completed_at"]) == datetime.fromisoformat(
            "2026-12-02T01:00:00+01:00"
        )
        assert shown["counts"] == {"sms": {"skipped": 1}}
        assert (await service.get("/v1/outbox"))["items"] == []


async def test_retries_wait_for_quiet_hours_to_end(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that was down in the evening wakes nobody after it is back."""
    await clock.advance(-3600)
    # Nothing listens on this port.
    monkeypatch.setenv("FLASHNOTIFY_SMS_URL", "http+json://127.0.0.1:9/sms")
    async with paris(clock) as service:
        id = await service.send(to=TO[1:])
        await service.until(
            f"/v1/notifications/{id}/deliveries",
            lambda found: found["items"] and found["items"][0]["attempts"],
        )
    monkeypatch.delenv("FLASHNOTIFY_SMS_URL")
    await clock.advance(3600)
    async with paris(clock) as service:
        await service.until(
            f"/v1/notifications/{id}/deliveries",
            lambda found: found["items"][0]["reason"] == WAITS,
        )
        sms = (await deliveries(service, id))["sms"]
        assert datetime.fromisoformat(sms["next_attempt_at"]) == MORNING
        assert len(sms["attempts"]) == 1
        await clock.advance(NIGHT)
        await service.completed(id)


async def test_waiting_deliveries_survive_a_restart(clock: ManualClock) -> None:
    async with paris(clock) as service:
        id = await service.send(to=TO[1:])
        await once(service, id, "sms", "queued")
    async with paris(clock) as service:
        assert (await deliveries(service, id))["sms"]["reason"] == WAITS
        await clock.advance(NIGHT)
        await service.completed(id)
