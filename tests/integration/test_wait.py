"""`?wait=` on a notification and on the outbox."""

import asyncio

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.support.loop_turns import some_turns
from tests.support.manual_clock import ManualClock
from tests.support.running import Running, running


async def test_a_notification_is_answered_once_its_deliveries_have_ended(service: Running) -> None:
    id = await service.send()
    shown = await service.get(f"/v1/notifications/{id}", wait=60)
    assert (shown["status"], shown["outcome"]) == ("completed", "all_sent")
    assert shown["counts"] == {"email": {"sent": 1}}


async def test_the_outbox_is_answered_once_a_message_is_there(service: Running) -> None:
    waiting = asyncio.create_task(service.get("/v1/outbox", wait=60))
    first = await service.send()
    assert [item["notification_id"] for item in (await waiting)["items"]] == [first]
    second = await service.send()
    page = await service.get("/v1/outbox", notification=second, wait=60)
    assert [item["notification_id"] for item in page["items"]] == [second]


async def test_the_outbox_does_not_wait_for_what_is_over_or_unknown(service: Running) -> None:
    id = await service.send()
    await service.completed(id)
    for notification in (id, "0190a1b2-0000-7000-8000-000000000000"):
        page = await service.get("/v1/outbox", notification=notification, channel="sms", wait=60)
        assert page["items"] == []


@pytest.mark.parametrize("path", ["/v1/outbox", "/v1/notifications/{id}"])
async def test_the_wait_ends_in_time_and_with_the_service(clock: ManualClock, path: str) -> None:
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        path = path.format(id=await service.send())
        waiting = asyncio.create_task(service.get(path, wait=2))
        await some_turns()
        await service.get("/v1/queue")
        assert not waiting.done()
        while not waiting.done():
            await clock.advance(1)
            await service.get("/v1/queue")
        assert (await waiting).get("items", []) == []
        waiting = asyncio.create_task(service.get(path, wait=60))
        for _ in range(3):
            await service.get("/v1/queue")
        assert not waiting.done()
        await service.service.drain()
        await waiting


async def test_a_wait_is_bounded(service: Running) -> None:
    for wait in ("61", "-1", "long"):
        answer = await service.http.get("/v1/outbox", params={"wait": wait})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/wait"
