"""`/v1/devices`, over HTTP."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.integration.wrong_requests import ENDPOINT, SUBSCRIPTIONS, subscription
from tests.support.browser import Browser, b64, unb64
from tests.support.manual_clock import ManualClock
from tests.support.running import Running, running

TOPIC = {"type": "ntfy", "topic": "ada-5Hk2xQ"}


async def register(service: Running, device: dict[str, Any], status: int = 201) -> Any:
    answer = await service.http.post("/v1/devices", json=device)
    assert answer.status_code == status, answer.text
    return answer.json()


async def codes(service: Running, device: object) -> dict[str, str]:
    """Return the codes of the mistakes in a device, by pointer."""
    answer = await service.http.post("/v1/devices", json=device)
    assert answer.status_code == 422, answer.text
    return {fault["pointer"]: fault["code"] for fault in answer.json()["errors"]}


async def test_a_subscription_is_registered_listed_and_removed(service: Running) -> None:
    device = Browser().subscription(ENDPOINT, label="Ada's phone")
    made = await register(service, device)
    assert made["address"] == f"push:{made['id']}"
    shown = await service.get(f"/v1/devices/{made['id']}")
    assert shown["type"] == "webpush"
    assert shown["label"] == "Ada's phone"
    # Whoever knows the endpoint could end the subscription.
    assert shown["target"] == "https://8.8.8.8"
    listed = await service.http.get("/v1/devices")
    assert [device["id"] for device in listed.json()["items"]] == [made["id"]]
    for secret in ("4rlN0A", device["keys"]["auth"], device["keys"]["p256dh"]):
        assert secret not in listed.text

    path = f"/v1/devices/{made['id']}"
    assert (await service.http.delete(path)).status_code == 204
    assert (await service.http.delete(path)).status_code == 404
    assert (await service.http.get(path)).status_code == 404


async def test_a_topic_is_registered(service: Running) -> None:
    made = await register(service, TOPIC)
    shown = await service.get(f"/v1/devices/{made['id']}")
    assert (shown["type"], shown["target"], shown["label"]) == ("ntfy", "ada-5Hk2xQ", None)


async def test_a_browser_subscription_is_accepted_unchanged(service: Running) -> None:
    await register(service, Browser().subscription(ENDPOINT, expirationTime=None))


async def test_a_renewed_subscription_keeps_its_id_and_gets_new_keys(
    service: Running,
) -> None:
    first, second = Browser(), Browser()
    made = await register(service, first.subscription(ENDPOINT, label="old"))
    again = await register(service, second.subscription(ENDPOINT, label="new"), 200)
    assert again == made
    devices = await service.service.archive.devices.find_all([UUID(made["id"])])
    (device,) = devices.values()
    assert (device.p256dh, device.auth) == (second.p256dh, second.auth)
    assert (await service.get(f"/v1/devices/{made['id']}"))["label"] == "new"
    # Another endpoint, or a topic of the same name, is another device.
    other = await register(service, first.subscription(ENDPOINT + "x"))
    assert other["id"] != made["id"]


async def test_a_hundred_concurrent_requests_register_one_device(service: Running) -> None:
    device = Browser().subscription(ENDPOINT)
    answers = await asyncio.gather(
        *(service.http.post("/v1/devices", json=device) for _ in range(100))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 99 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await service.get("/v1/devices"))["items"]) == 1


async def test_lists_are_paged(service: Running) -> None:
    made = [await register(service, {**TOPIC, "topic": f"topic-{n}"}) for n in range(5)]
    first = await service.get("/v1/devices", limit=3)
    second = await service.get("/v1/devices", limit=3, cursor=first["next"])
    found = [device["id"] for device in [*first["items"], *second["items"]]]
    assert found == [device["id"] for device in reversed(made)]
    assert second["next"] is None


async def test_errors_point_at_the_mistakes_in_a_subscription(service: Running) -> None:
    for changes, pointer, code in SUBSCRIPTIONS:
        found = await codes(service, subscription(changes))
        assert found[pointer] == code, (changes, found)
    assert (await service.get("/v1/devices"))["items"] == []


async def test_an_invalid_topic_is_refused(service: Running) -> None:
    for topic in ("", "a b", "a/b", "é", "x" * 65, "a\n", None):
        code = "wrong_type" if topic is None else "wrong_format"
        found = await codes(service, {"type": "ntfy", "topic": topic})
        assert found == {"/topic": code}, topic


async def test_a_point_off_the_curve_is_refused(service: Running) -> None:
    browser = Browser()
    point = bytearray(unb64(browser.p256dh))
    point[40] ^= 1
    device = browser.subscription(ENDPOINT)
    device["keys"]["p256dh"] = b64(bytes(point))
    assert await codes(service, device) == {"/keys/p256dh": "not_a_public_key"}


async def test_a_body_that_is_not_an_object_is_malformed(service: Running) -> None:
    for body in (b"", b"{", b"[]", b'"webpush"', b"\xff"):
        answer = await service.http.post(
            "/v1/devices", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 400, body
    answer = await service.http.post("/v1/devices", content=json.dumps(TOPIC) + " " * 20_000)
    assert answer.status_code == 413
    answer = await service.http.post("/v1/devices", data=TOPIC)
    assert answer.status_code == 415


async def test_scopes(service: Running) -> None:
    devices, read, notify = (
        await service.key("devices"),
        await service.key("read"),
        await service.key("notify:*"),
    )
    http = service.anonymous

    async def status(method: str, path: str, headers: dict[str, str], **body: Any) -> int:
        return (await http.request(method, path, headers=headers, **body)).status_code

    assert await status("POST", "/v1/devices", {}, json=TOPIC) == 401
    assert await status("POST", "/v1/devices", read, json=TOPIC) == 403
    assert await status("POST", "/v1/devices", notify, json=TOPIC) == 403
    assert await status("POST", "/v1/devices", devices, json=TOPIC) == 201
    assert await status("GET", "/v1/devices", devices) == 200
    assert await status("GET", "/v1/devices", notify) == 403
    assert await status("GET", "/v1/devices", read) == 200
    (device,) = (await service.get("/v1/devices"))["items"]
    path = f"/v1/devices/{device['id']}"
    assert await status("GET", path, notify) == 403
    assert await status("GET", path, read) == 404
    assert await status("DELETE", path, read) == 403
    assert await status("DELETE", path, devices) == 204


async def test_there_is_no_vapid_key_without_web_push(service: Running) -> None:
    answer = await service.http.get("/v1/vapid-key")
    assert answer.status_code == 404
    assert answer.json()["code"] == "web_push_not_configured"


async def test_any_key_may_ask_for_the_vapid_key(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_PUSH_URL", "webpush:")
    monkeypatch.setenv("FLASHNOTIFY_PUSH_CONTACT", "mailto:it@univ.example")
    seen = set()
    for _ in range(2):
        async with running(Service(ServiceConfig(), clock)) as service:
            assert (await service.anonymous.get("/v1/vapid-key")).status_code == 401
            key = await service.key("devices")
            answer = await service.anonymous.get("/v1/vapid-key", headers=key)
            seen.add(answer.json()["key"])
    # Browsers have subscribed with it: it must stay.
    (key_text,) = seen
    assert len(unb64(key_text)) == 65


async def test_an_unregistered_device_is_refused_at_its_index(service: Running) -> None:
    made = await register(service, TOPIC)
    unknown = "push:01a204ab-133f-7000-95d3-66f8d33980d8"
    to = [made["address"], "mailto:ada@univ.example", unknown, "push:nonsense"]
    document = {"kind": "academic", "title": "t", "body": "b", "data": {"course": "ALG-2"}}
    answer = await service.http.post("/v1/notifications", json={**document, "to": to[:3]})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/to/2", "not_registered")
    answer = await service.http.post("/v1/notifications", json={**document, "to": to})
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/to/3", "not_an_id")
    answer = await service.http.post("/v1/notifications", json={**document, "to": to[:2]})
    assert answer.status_code == 202


async def test_ten_thousand_devices_are_looked_up(service: Running) -> None:
    made = await register(service, TOPIC)
    to = [made["address"]] + [f"push:{UUID(int=n)}" for n in range(9_999)]
    document = {"kind": "academic", "title": "t", "body": "b", "data": {"course": "ALG-2"}}
    answer = await service.http.post("/v1/notifications", json={**document, "to": to})
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 100
    assert answer.json()["errors"][0]["pointer"] == "/to/1"
