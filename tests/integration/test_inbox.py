"""`/v1/inbox`: what the in-app channel delivers, and what its reader does with it."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from flashnotify.app import Service
from flashnotify.archive.identity_records import User
from flashnotify.domain import Role
from flashnotify.identity.audit import Actor
from flashnotify.settings import ServiceConfig
from tests.faults.serving import Serving, serving
from tests.support.manual_clock import ManualClock
from tests.support.people import add_user, change_user
from tests.support.running import ACADEMIC, SECURITY, Running, running
from tests.support.signing_in import OWN_PAGE, cookie_of

IN_APP: dict[str, Any] = {"channels": ["in_app"]}


class Reader:
    """A person with an inbox, signed in with a browser."""

    def __init__(self, service: Running, user: User, headers: dict[str, str]) -> None:
        self.user = user
        self.to = [f"user:{user.id}"]
        self._service = service
        self.headers = headers

    @classmethod
    async def make(cls, service: Running, name: str = "ada", **more: Any) -> "Reader":
        user = await add_user(service.service, Role.viewer, email=f"{name}@univ.example", **more)
        return cls(service, user, await cookie_of(service.service, user) | OWN_PAGE)

    async def ask(self, method: str, path: str = "", **params: Any) -> httpx.Response:
        return await self._service.anonymous.request(
            method, f"/v1/inbox{path}", headers=self.headers, params=params
        )

    async def titles(self, **params: Any) -> list[str]:
        answer = await self.ask("GET", **params)
        assert answer.status_code == 200, answer.text
        return [message["title"] for message in answer.json()["items"]]

    async def got(self, *titles: str) -> list[str]:
        """Send notifications, and return the ids of the messages."""
        for title in titles:
            id = await self._service.send(to=self.to, title=title, **IN_APP)
            await self._service.completed(id)
        items = (await self.ask("GET")).json()["items"]
        return [message["id"] for message in reversed(items)][-len(titles) :]

    async def unread(self) -> int:
        return int((await self.ask("GET", "/unread")).json()["unread"])


@pytest.fixture
async def ada(service: Running) -> Reader:
    return await Reader.make(service)


async def test_a_message_is_delivered_at_once_with_the_texts_of_its_kind(
    service: Running, ada: Reader
) -> None:
    id = await service.send(**SECURITY | {"to": ada.to, **IN_APP})
    assert (await service.completed(id))["counts"] == {"in_app": {"delivered": 1}}
    [delivery] = (await service.get(f"/v1/notifications/{id}/deliveries"))["items"]
    assert (delivery["status"], delivery["to"]) == ("delivered", str(ada.user.id))
    [attempt] = delivery["attempts"]
    assert (attempt["outcome"], attempt["transport"]) == ("sent", "in-app://")
    [message] = (await ada.ask("GET")).json()["items"]
    assert message["title"] == "SECURITY: Fire in building B (Building B)"
    assert message["body"] == (
        "What to do:\nLeave\nthe building.\n\nDo not use the lifts.\n\nWhere: Building B"
    )
    assert (message["id"], message["notification_id"]) == (delivery["id"], id)
    assert (message["kind"], message["priority"]) == ("security", "critical")
    assert message["read_at"] is None
    assert (await service.get("/v1/outbox"))["items"] == []


async def test_each_kind_has_the_channel_by_default(service: Running, ada: Reader) -> None:
    for kind in (await service.get("/v1/kinds"))["items"]:
        assert "in_app" in kind["channels"]
    id = await service.send(to=ada.to)
    counts = (await service.completed(id))["counts"]
    assert counts == {"email": {"sent": 1}, "in_app": {"delivered": 1}}


async def test_addresses_have_no_inbox(service: Running) -> None:
    wanted = ACADEMIC | IN_APP
    answer = await service.http.post("/v1/notifications", json=wanted)
    assert answer.status_code == 422
    id = await service.send()
    assert (await service.completed(id))["counts"] == {"email": {"sent": 1}}


async def test_the_channel_is_shown_with_a_breaker_that_stays_closed(
    service: Running, ada: Reader
) -> None:
    await ada.got("One")
    channels = {c["channel"]: c for c in (await service.get("/v1/channels"))["items"]}
    [transport] = channels["in_app"]["transports"]
    assert channels["in_app"]["address"] == "user:"
    assert (transport["name"], transport["state"]) == ("in-app://", "ok")
    lanes = (await service.get("/v1/queue"))["lanes"]
    assert sum(lane["channel"] == "in_app" for lane in lanes) == 4
    metrics = (await service.http.get("/metrics")).text
    assert 'channel="in_app",outcome="sent"' in metrics.replace('transport="in-app",', "")


async def test_who_was_deactivated_since_the_fan_out_is_skipped(
    service: Running, ada: Reader, clock: ManualClock
) -> None:
    # Until the end of quiet hours, which only SMS keeps to.
    await clock.advance(15 * 3600)
    await change_user(service.service, replace(ada.user, phone="+33612345678"))
    id = await service.send(to=ada.to, channels=["sms"])
    await service.until(f"/v1/notifications/{id}", lambda n: n["counts"] == {"sms": {"queued": 1}})
    await change_user(service.service, replace(ada.user, active=False))
    await clock.advance(9 * 3600)
    await service.completed(id)
    [delivery] = (await service.get(f"/v1/notifications/{id}/deliveries"))["items"]
    assert (delivery["status"], delivery["reason"]) == ("skipped", "the person is deactivated")


async def test_the_last_to_arrive_comes_first_page_by_page(ada: Reader) -> None:
    await ada.got("[1]", "[2]", "[3]")
    first = (await ada.ask("GET", limit=2)).json()
    assert [m["title"] for m in first["items"]] == ["[ALG-2] [3]", "[ALG-2] [2]"]
    assert await ada.titles(limit=2, cursor=first["next"]) == ["[ALG-2] [1]"]
    assert (await ada.ask("GET", limit=3)).json()["next"] is None


async def test_messages_are_marked_as_read_and_stay_read(ada: Reader, clock: ManualClock) -> None:
    one, two, three, _ = await ada.got("1", "2", "3", "4")
    assert await ada.unread() == 4
    assert (await ada.ask("POST", f"/{two}/read")).json() == {"unread": 3}
    at = (await ada.ask("GET")).json()["items"][2]["read_at"]
    await clock.advance(60)
    assert (await ada.ask("POST", f"/{two}/read")).json() == {"unread": 3}
    assert (await ada.ask("POST", "/read", upto=three)).json() == {"unread": 1}
    items = {m["id"]: m for m in (await ada.ask("GET")).json()["items"]}
    assert items[two]["read_at"] == at
    assert items[one]["read_at"] > at
    assert await ada.titles(unread=True) == ["[ALG-2] 4"]
    assert (await ada.ask("POST", "/read")).json() == {"unread": 0}
    assert await ada.titles(unread=True) == []


async def test_a_deleted_message_is_gone_and_its_delivery_is_not(
    service: Running, ada: Reader
) -> None:
    one, _ = await ada.got("1", "2")
    assert (await ada.ask("DELETE", f"/{one}")).status_code == 204
    assert await ada.titles() == ["[ALG-2] 2"]
    assert (await ada.ask("DELETE", f"/{one}")).status_code == 404
    deliveries = (await service.get("/v1/deliveries"))["items"]
    assert [d["status"] for d in deliveries] == ["delivered", "delivered"]


async def test_only_the_person_gets_at_an_inbox(service: Running, ada: Reader) -> None:
    [id] = await ada.got("1")
    bob = await Reader.make(service, "bob")
    assert await bob.titles() == []
    for method, path in (("POST", f"/{id}/read"), ("DELETE", f"/{id}"), ("POST", "/read")):
        answer = await bob.ask(method, path, **({"upto": id} if path == "/read" else {}))
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"
    assert (await bob.ask("POST", "/read")).json() == {"unread": 0}
    assert await ada.unread() == 1
    key = await service.key("admin")
    for path in ("", "/unread", "/events"):
        answer = await service.anonymous.get(f"/v1/inbox{path}", headers=key)
        assert answer.status_code == 403
        assert answer.json()["code"] == "not_a_user"
        assert (await service.anonymous.get(f"/v1/inbox{path}")).status_code == 401


async def test_what_was_read_is_read_after_a_restart_and_goes_with_its_notification(
    clock: ManualClock,
) -> None:
    async with running(Service(ServiceConfig(), clock)) as service:
        ada = await Reader.make(service)
        one, _ = await ada.got("1", "2")
        await ada.ask("POST", f"/{one}/read")
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        ada = Reader(service, ada.user, ada.headers)
        assert await ada.titles(unread=True) == ["[ALG-2] 2"]
        assert len(await ada.titles()) == 2
    await clock.advance(366 * 86400)
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        await service.service.maintenance.purge()
        headers = await cookie_of(service.service, ada.user) | OWN_PAGE
        assert await Reader(service, ada.user, headers).titles() == []
        assert (await service.get("/v1/notifications"))["items"] == []


async def stream(service: Serving, cookie: dict[str, str], **more: str) -> AsyncGenerator[Any]:
    """Yield the id, the event and the data of each event of an inbox."""
    path, headers = "/v1/inbox/events", cookie | more
    async with service.http.stream("GET", path, headers=headers, timeout=10) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        event: dict[str, str] = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if line:
                event[name] = value
            elif event:
                yield event["id"], event["event"], json.loads(event["data"])
                event = {}


async def message_of(events: AsyncGenerator[Any]) -> tuple[str, Any]:
    """Return the id and the data of the next message."""
    async for id, event, data in events:
        if event == "message":
            return id, data
    raise AssertionError("the stream ended")


async def post(service: Serving, user: User, title: str) -> None:
    wanted = ACADEMIC | IN_APP | {"to": [f"user:{user.id}"], "title": title}
    answer = await service.admin.post("/v1/notifications", json=wanted)
    assert answer.status_code == 202, answer.text


async def test_an_open_page_learns_what_arrives_and_resumes() -> None:
    async with serving(Service(ServiceConfig())) as service:
        ada = await add_user(service.service, Role.viewer)
        bob = await add_user(service.service, Role.viewer, email="bob@univ.example")
        cookie = await cookie_of(service.service, ada)
        events = stream(service, cookie)
        assert (await anext(events))[1:] == ("unread", {"unread": 0})
        await post(service, bob, "For Bob")
        await post(service, ada, "For Ada")
        number, message = await message_of(events)
        assert message["title"] == "[ALG-2] For Ada"
        assert await anext(events) == (number, "unread", {"unread": 1})
        # Read on another page.
        path = f"/v1/inbox/{message['id']}/read"
        answer = await service.http.post(path, headers=cookie | OWN_PAGE)
        assert answer.json() == {"unread": 0}
        assert await anext(events) == (number, "unread", {"unread": 0})
        await events.aclose()
        await post(service, ada, "While away")
        resumed = stream(service, cookie, **{"Last-Event-ID": number})
        assert (await message_of(resumed))[1]["title"] == "[ALG-2] While away"
        await resumed.aclose()


async def test_an_open_page_does_not_hold_up_the_end() -> None:
    async with serving(Service(ServiceConfig())) as service:
        ada = await add_user(service.service, Role.viewer)
        events = stream(service, await cookie_of(service.service, ada))
        await anext(events)
        await service.service.drain()
        assert [event async for event in events] == []


async def test_a_page_ends_with_its_session() -> None:
    async with serving(Service(ServiceConfig())) as service:
        ada = await add_user(service.service, Role.viewer)
        events = stream(service, await cookie_of(service.service, ada))
        await anext(events)
        sessions = service.service.identity.sessions
        [session] = await sessions.of_user(ada.id)
        await sessions.end(Actor("local"), ada.id, [session.id])
        service.service.inbox_feed.wake(ada.id)
        assert [event async for event in events] == []
