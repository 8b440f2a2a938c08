"""Addresses of people are masked for those without the scope `people`, wherever they are shown."""

from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.channels.transport import CaptureTransport
from flashnotify.domain import Role, Sent
from flashnotify.errors import Rejected
from flashnotify.settings import ServiceConfig
from tests.support.callers import ROLES, SCOPES, WAYS, scopes_of
from tests.support.manual_clock import ManualClock
from tests.support.people import add_user
from tests.support.running import ACADEMIC, Running, running

EMAIL, PHONE = "ada.l@univ.example", "+33612345678"
GIVEN = "mailto:given@univ.example"
WHOLE = {EMAIL, PHONE, "given@univ.example"}
HIDDEN = {"a***@univ.example", "+336*****678", "given@univ.example"}


async def _sent(service: Running, sender: str = "local") -> str:
    """Send to a person, and to an address that the sender gives."""
    ada = await add_user(service.service, Role.viewer, email=EMAIL, phone=PHONE)
    id = await service.send(to=[GIVEN, f"user:{ada.id}"], channels=["email", "sms"])
    await service.completed(id)
    return str(ada.id)


@pytest.mark.parametrize("way", WAYS)
async def test_by_role_scope_and_way(way: str, clock: ManualClock) -> None:
    prove, columns = WAYS[way]
    async with running(Service(ServiceConfig(), clock)) as service:
        await _sent(service)
        for column in columns:
            caller = await prove(service, column)
            scopes = scopes_of(column)
            if not scopes & {"read:all", "admin"}:
                # They see only what they sent.
                continue
            shown = WHOLE if scopes & {"people", "admin"} else HIDDEN
            for path in ("/v1/deliveries", "/v1/outbox"):
                answer = await service.anonymous.get(path, headers=caller.headers)
                assert {item["to"] for item in answer.json()["items"]} == shown, (column, path)
    assert ROLES
    assert SCOPES


async def test_a_sender_sees_whole_only_what_it_gave(service: Running) -> None:
    sender = await service.key("notify:academic", "read")
    ada = await add_user(service.service, Role.viewer, email=EMAIL, phone=PHONE)
    wanted: dict[str, Any] = {
        "kind": "academic",
        "title": "Room",
        "body": f"Write to {EMAIL}.",
        "to": [GIVEN, f"user:{ada.id}"],
        "channels": ["email", "sms"],
        "data": {"course": "ALG-2"},
    }
    answer = await service.anonymous.post("/v1/notifications", json=wanted, headers=sender)
    id = answer.json()["id"]
    await service.completed(id)
    both = await service.key("notify:academic", "read", "people")
    for path in (f"/v1/notifications/{id}/deliveries", "/v1/deliveries", "/v1/outbox"):
        shown = (await service.anonymous.get(path, headers=sender)).json()["items"]
        assert {item["to"] for item in shown} == HIDDEN, path
        [to_ada] = [item for item in shown if item["to"] == "a***@univ.example"]
        assert EMAIL not in str(to_ada)
    answer = await service.anonymous.get("/v1/deliveries", headers=both)
    assert answer.json()["items"] == []
    for to, found in ((EMAIL, 0), (PHONE, 0), ("given@univ.example", 1)):
        tried = await service.anonymous.get("/v1/deliveries", params={"to": to}, headers=sender)
        assert len(tried.json()["items"]) == found, to
    assert len((await service.get("/v1/deliveries", to=EMAIL))["items"]) == 1


async def test_a_sender_learns_no_address_from_a_placeholder(service: Running) -> None:
    sender = await service.key("notify:academic", "read")
    ada = await add_user(service.service, Role.viewer, email="o'neil@univ.example", phone=PHONE)
    wanted = ACADEMIC | {"to": [f"user:{ada.id}"], "personalised": True, "body": "((email))"}
    answer = await service.anonymous.post(
        "/v1/notifications", json=wanted | {"channels": ["email", "sms"]}, headers=sender
    )
    await service.completed(answer.json()["id"])
    shown = await service.anonymous.get("/v1/outbox", headers=sender)
    assert len(shown.json()["items"]) == 2
    assert "neil@" not in shown.text
    assert "o***@univ.example" in shown.text


async def test_the_words_of_a_provider_hide_it_too(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: Any, content: Any) -> Sent:
        raise Rejected(f"550 <{content.captured().address.upper()}>: unknown")

    monkeypatch.setattr(CaptureTransport, "send", refuse)
    async with running(Service(ServiceConfig(), clock)) as service:
        await _sent(service)
        reader = await service.key("read:all")
        shown = (await service.anonymous.get("/v1/deliveries", headers=reader)).text
        assert "550 <a***@univ.example>: unknown" in shown
        assert EMAIL not in shown.lower()
        assert PHONE not in shown
        assert EMAIL.upper() in (await service.http.get("/v1/deliveries")).text


async def test_deliveries_are_found_by_their_person(service: Running) -> None:
    ada = await add_user(service.service, Role.viewer, email=EMAIL, external_id="etu1")
    bob = await add_user(service.service, Role.viewer, email="bob@univ.example")
    for user in (ada, bob):
        await service.completed(await service.send(to=[f"user:{user.id}"], channels=["email"]))
    for name in (str(ada.id), "etu1"):
        [found] = (await service.get("/v1/deliveries", user=name, status="sent"))["items"]
        assert (found["user"], found["to"]) == (str(ada.id), EMAIL)
    answer = await service.http.get("/v1/deliveries", params={"user": "etu2"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "unknown_user"
