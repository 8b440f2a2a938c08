"""Push, from the POST to the browser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from flashnotify.app import Service
from flashnotify.archive.records import RegisteredDevice
from flashnotify.domain import Device, DeviceType, moment
from flashnotify.settings import ServiceConfig
from tests.support.browser import Browser, vapid_claims
from tests.support.http_server import HANG, HttpServer, Reply
from tests.support.manual_clock import ManualClock
from tests.support.running import Running, running

# Of the tests' clock, half an hour on.
LATER = moment(ManualClock().now() + 1_800_000).isoformat()


@pytest.fixture
async def browsers() -> AsyncIterator[HttpServer]:
    """A push service."""
    async with HttpServer(Reply(201)) as server:
        yield server


@pytest.fixture
async def ntfy() -> AsyncIterator[HttpServer]:
    async with HttpServer(Reply(200, '{"id": "hwQ2YpKdmg"}')) as server:
        yield server


@pytest.fixture
def settings(ntfy: HttpServer, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Run a service with Web Push and ntfy; push services may be on this machine."""
    monkeypatch.setenv("FLASHNOTIFY_PUSH_URL", f"webpush: ntfy://{ntfy.host}")
    monkeypatch.setenv("FLASHNOTIFY_PUSH_CONTACT", "mailto:it@univ.example")
    monkeypatch.setenv("FLASHNOTIFY_PUSH_ALLOWED_NETWORKS", "127.0.0.0/8")
    return monkeypatch


@pytest.fixture
async def service(settings: pytest.MonkeyPatch, clock: ManualClock) -> AsyncIterator[Running]:
    async with running(Service(ServiceConfig(), clock)) as started:
        yield started


async def register(service: Running, device: dict[str, Any]) -> str:
    """Register a device, and return its address."""
    answer = await service.http.post("/v1/devices", json=device)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["address"])


async def subscribe(service: Running, endpoint: str) -> tuple[str, Browser]:
    browser = Browser()
    return await register(service, browser.subscription(endpoint)), browser


async def delivery(service: Running, id: str) -> Any:
    """Return the only delivery of a notification."""
    (found,) = (await service.get(f"/v1/notifications/{id}/deliveries"))["items"]
    return found


async def attempted(service: Running, id: str, times: int = 1) -> Any:
    """Return the only delivery of a notification, once it was attempted."""
    found = await service.until(
        f"/v1/notifications/{id}/deliveries",
        lambda page: page["items"] and page["items"][0]["attempt_count"] >= times,
    )
    return found["items"][0]


async def test_each_device_is_reached_by_its_own_transport(
    service: Running, browsers: HttpServer, ntfy: HttpServer
) -> None:
    address, browser = await subscribe(service, f"{browsers.url}/p/1")
    topic = await register(service, {"type": "ntfy", "topic": "ada-5Hk2xQ"})
    id = await service.send(to=[address, topic], title="Room changed", priority="high")
    assert (await service.completed(id))["counts"] == {"push": {"sent": 2}}
    (pushed,), (published,) = browsers.requests, ntfy.requests
    found = browser.read(pushed.body)
    assert "Room changed" in found["title"]
    assert found["priority"] == "high"
    assert pushed.headers["Urgency"] == "high"
    document = json.loads(published.body)
    assert (document["topic"], document["title"]) == ("ada-5Hk2xQ", found["title"])
    # What the provider got is what the delivery is called here.
    deliveries = (await service.get(f"/v1/notifications/{id}/deliveries"))["items"]
    assert {d["id"] for d in deliveries} == {found["id"], document["sequence_id"]}
    names = {d["to"]: d["attempts"][0]["transport"] for d in deliveries}
    assert names[address.removeprefix("push:")] == "webpush:"
    assert names[topic.removeprefix("push:")] == f"ntfy://{ntfy.host}"


async def test_browsers_get_the_signing_key(service: Running, browsers: HttpServer) -> None:
    address, _ = await subscribe(service, browsers.url)
    await service.completed(await service.send(to=[address]))
    _, key = vapid_claims(browsers.requests[0].headers["Authorization"])
    assert key == (await service.get("/v1/vapid-key"))["key"]


async def test_an_expired_subscription_removes_the_device(
    service: Running, browsers: HttpServer
) -> None:
    address, browser = await subscribe(service, f"{browsers.url}/p/1")
    kept, _ = await subscribe(service, f"{browsers.url}/p/2")
    browsers.next(Reply(410, "unsubscribed"))
    id = await service.send(to=[address])
    assert (await service.completed(id))["counts"] == {"push": {"failed": 1}}
    assert (await delivery(service, id))["reason"] == "410 unsubscribed"
    path = f"/v1/devices/{address.removeprefix('push:')}"
    assert (await service.http.get(path)).status_code == 404
    listed = (await service.get("/v1/devices"))["items"]
    assert [device["address"] for device in listed] == [kept]
    # The browser subscribes again: a new device.
    answer = await service.http.post("/v1/devices", json=browser.subscription(browsers.url))
    assert answer.status_code == 201
    assert answer.json()["address"] != address


async def test_deliveries_to_a_removed_device_fail(
    service: Running, browsers: HttpServer, clock: ManualClock
) -> None:
    address, _ = await subscribe(service, browsers.url)
    id = await service.send(to=[address], send_at=LATER)
    path = f"/v1/devices/{address.removeprefix('push:')}"
    assert (await service.http.delete(path)).status_code == 204
    await clock.skip(24 * 3600)
    await service.completed(id)
    found = await delivery(service, id)
    assert found["status"] == "failed"
    assert found["reason"] == "the device is no longer registered"
    assert browsers.requests == []


async def test_renewed_keys_are_used(service: Running, browsers: HttpServer) -> None:
    address, _ = await subscribe(service, browsers.url)
    renewed = Browser()
    answer = await service.http.post("/v1/devices", json=renewed.subscription(browsers.url))
    assert answer.status_code == 200
    await service.completed(await service.send(to=[address]))
    assert renewed.read(browsers.requests[0].body)["body"]


async def test_a_busy_push_service_is_retried_after_retry_after(
    service: Running, browsers: HttpServer, clock: ManualClock
) -> None:
    address, _ = await subscribe(service, browsers.url)
    browsers.next(Reply(429, "slow down", {"Retry-After": "120"}))
    id = await service.send(to=[address])
    first = await attempted(service, id)
    assert first["status"] == "queued"
    await clock.advance(119)
    assert len(browsers.requests) == 1
    await clock.advance(4)
    await service.completed(id)
    topics = {request.headers["Topic"] for request in browsers.requests}
    assert len(browsers.requests) == 2
    # Both tries are the same message to the push service.
    assert len(topics) == 1


async def test_one_dead_push_service_does_not_hold_up_the_others(
    service: Running, browsers: HttpServer
) -> None:
    address, _ = await subscribe(service, browsers.url)
    async with HttpServer(Reply(500, "broken")) as broken:
        dead = [(await subscribe(service, f"{broken.url}/{n}"))[0] for n in range(8)]
        lost = await service.send(to=dead)
        await service.until(
            f"/v1/notifications/{lost}/deliveries",
            lambda page: len([d for d in page["items"] if d["reason"]]) == 8,
        )
        # Its breaker is open: more for it waits, and costs no attempt.
        waiting = await service.send(to=dead[:1])
        path = f"/v1/notifications/{waiting}/deliveries"
        found = await service.until(path, lambda page: page["items"] and page["items"][0]["reason"])
        assert found["items"][0]["attempts"] == []
        assert len(broken.requests) == 8
        id = await service.send(to=[address])
        assert (await service.completed(id))["counts"] == {"push": {"sent": 1}}
        parts = (await service.ready())["parts"]
        assert parts["push"] == "ok"


async def test_a_refusing_push_service_does_not_hold_up_the_others(
    service: Running, browsers: HttpServer
) -> None:
    address, _ = await subscribe(service, browsers.url)
    async with HttpServer(Reply(403, "go away")) as hostile:
        stranger, _ = await subscribe(service, hostile.url)
        tried = await attempted(service, await service.send(to=[stranger]))
        assert tried["attempts"][0]["outcome"] == "misconfigured"
        parts = (await service.ready())["parts"]
        assert parts["push"] == "degraded"
        id = await service.send(to=[address])
        assert (await service.completed(id))["counts"] == {"push": {"sent": 1}}
        assert (await service.ready())["parts"]["push"] == "ok"


async def test_an_unregistered_device_does_not_affect_the_breaker(
    settings: pytest.MonkeyPatch, ntfy: HttpServer, clock: ManualClock
) -> None:
    settings.setenv("FLASHNOTIFY_PUSH_URL", f"ntfy://{ntfy.host}")
    async with running(Service(ServiceConfig(), clock)) as service:
        topic = await register(service, {"type": "ntfy", "topic": "ada"})
        gone = await register(service, {"type": "ntfy", "topic": "bob"})
        ntfy.next(*[Reply(500, "broken")] * 5)
        for _ in range(5):
            tried = await service.send(to=[topic])
            await attempted(service, tried)
            await service.http.post(f"/v1/notifications/{tried}/cancel")
        assert (await service.ready())["parts"]["push"] == "failing"
        id = await service.send(to=[gone], send_at=LATER)
        await service.http.delete(f"/v1/devices/{gone.removeprefix('push:')}")
        await clock.advance(3600)
        assert (await service.completed(id))["counts"] == {"push": {"failed": 1}}
        assert (await service.ready())["parts"]["push"] == "failing"
        # It is still there to be probed.
        await service.completed(await service.send(to=[topic]))
        assert (await service.ready())["parts"]["push"] == "ok"


async def test_a_forbidden_address_is_not_connected_to(
    settings: pytest.MonkeyPatch, clock: ManualClock, browsers: HttpServer
) -> None:
    async with running(Service(ServiceConfig(), clock)) as service:
        address, _ = await subscribe(service, f"{browsers.url}/p/1")
    settings.delenv("FLASHNOTIFY_PUSH_ALLOWED_NETWORKS")
    async with running(Service(ServiceConfig(), clock)) as service:
        id = await service.send(to=[address])
        assert (await service.completed(id))["counts"] == {"push": {"failed": 1}}
        found = await delivery(service, id)
        assert "not public" in found["reason"]
        # A device is dropped when its service says so, and only then.
        assert len((await service.get("/v1/devices"))["items"]) == 1
    assert browsers.connections == 0


async def test_a_redirect_is_not_followed(service: Running, browsers: HttpServer) -> None:
    address, _ = await subscribe(service, browsers.url)
    async with HttpServer() as elsewhere:
        browsers.next(Reply(307, "", {"Location": f"{elsewhere.url}/admin"}))
        await attempted(service, await service.send(to=[address]))
        assert elsewhere.connections == 0


async def test_a_missing_transport_for_a_device_type_is_reported(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, ntfy: HttpServer
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_PUSH_URL", f"ntfy://{ntfy.host}")
    async with running(Service(ServiceConfig(), clock)) as service:
        address, _ = await subscribe(service, "https://8.8.8.8/p/1")
        id = await service.send(to=[address])
        await service.completed(id)
        found = await delivery(service, id)
        assert found["reason"] == "no transport in the settings serves this address"


async def test_capture_keeps_pushes(clock: ManualClock) -> None:
    async with running(Service(ServiceConfig(), clock)) as service:
        address, _ = await subscribe(service, "https://8.8.8.8/p/1")
        await service.completed(await service.send(to=[address], title="Room changed"))
        (message,) = (await service.get("/v1/outbox"))["items"]
        assert (message["channel"], message["to"]) == ("push", address.removeprefix("push:"))
        assert "Room changed" in message["subject"]


async def test_thousands_of_pushes_are_encrypted_individually(
    service: Running, browsers: HttpServer, clock: ManualClock
) -> None:
    browser = Browser()
    ids = [UUID(int=number + 1) for number in range(1000)]

    async def register(number: int, device_id: UUID) -> None:
        target = f"{browsers.url}/{number}"
        device = Device(device_id, DeviceType.webpush, target, browser.p256dh, browser.auth)
        registered = RegisteredDevice(device, None, clock.now())
        await service.service.archive.devices.register(registered)

    # At once, so that one commit takes many.
    await asyncio.gather(*map(register, range(1000), ids))
    id = await service.send(to=[f"push:{device_id}" for device_id in ids])
    assert (await service.completed(id))["counts"] == {"push": {"sent": 1000}}
    assert {request.path for request in browsers.requests} == {f"/{n}" for n in range(1000)}
    assert len({browser.read(request.body)["id"] for request in browsers.requests}) == 1000
    # One signature serves them all.
    assert len({request.headers["Authorization"] for request in browsers.requests}) == 1


async def test_a_hanging_push_service_times_out(
    settings: pytest.MonkeyPatch, clock: ManualClock, browsers: HttpServer
) -> None:
    settings.setenv("FLASHNOTIFY_WEBPUSH_TIMEOUT", "0.2")
    async with running(Service(ServiceConfig(), clock)) as service:
        address, _ = await subscribe(service, browsers.url)
        browsers.next(HANG)
        tried = await attempted(service, await service.send(to=[address]))
        assert tried["attempts"][0]["outcome"] == "retryable"
