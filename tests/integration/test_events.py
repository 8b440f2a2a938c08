"""`GET /v1/events`: events in commit order, resumed after an interruption."""

import json
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, closing
from typing import Any

import httpx

from flashnotify.app import Service
from flashnotify.identity.audit import Actor
from flashnotify.settings import ServiceConfig
from tests.faults.serving import Serving, serving
from tests.support.running import ACADEMIC
from tests.support.signing_in import add_user, cookie_of


async def events(http: httpx.AsyncClient, **headers: str) -> AsyncGenerator[dict[str, Any]]:
    """Yield the events of a stream."""
    async with http.stream("GET", "/v1/events", headers=headers, timeout=10) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        event: dict[str, Any] = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if not line and "data" in event:
                yield event
                event = {}
            elif name in ("id", "event"):
                event[name] = value
            elif name == "data":
                event["data"] = json.loads(value)


async def send(service: Serving) -> str:
    answer = await service.admin.post("/v1/notifications", json=ACADEMIC)
    assert answer.status_code == 202
    return str(answer.json()["id"])


async def until_completed(stream: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    seen = []
    async for event in stream:
        seen.append(event)
        if event["data"]["status"] == "completed":
            break
    return seen


async def test_events_are_in_order_and_resume_after_a_restart() -> None:
    async with serving(Service(ServiceConfig())) as service:
        stream = events(service.admin, **{"Last-Event-ID": "0"})
        id = await send(service)
        seen = await until_completed(stream)
        await stream.aclose()
        assert [(e["event"], e["data"]["status"]) for e in seen] == [
            ("notification", "queued"),
            ("notification", "sending"),
            ("delivery", "sent"),
            ("notification", "completed"),
        ]
        assert {e["data"]["notification_id"] for e in seen} == {id}
        numbers = [int(e["id"]) for e in seen]
        assert numbers == sorted(set(numbers))
    async with serving(Service(ServiceConfig())) as service:
        second = await send(service)
        resumed = await until_completed(events(service.admin, **{"Last-Event-ID": seen[1]["id"]}))
        assert [e["data"]["status"] for e in resumed] == ["sent", "completed"]
        assert {e["data"]["notification_id"] for e in resumed} == {id}
        more = await until_completed(events(service.admin, **{"Last-Event-ID": seen[-1]["id"]}))
        assert {e["data"]["notification_id"] for e in more} == {second}


async def test_a_client_away_for_too_long_is_told_what_it_missed() -> None:
    config = ServiceConfig()
    async with serving(Service(config)) as service:
        await send(service)
        (*_, last) = await until_completed(events(service.admin, **{"Last-Event-ID": "0"}))
    with closing(sqlite3.connect(config.archive_file)) as archive, archive:
        archive.execute("DELETE FROM events WHERE id < ?", (last["id"],))
    async with serving(Service(config)) as service:
        stream = events(service.admin, **{"Last-Event-ID": "1"})
        missed = await anext(stream)
        number = int(last["id"])
        assert missed == {
            "event": "missed",
            "id": f"{number - 1}",
            "data": {"first": 2, "last": number - 1},
        }
        assert await anext(stream) == last


async def test_an_event_id_beyond_a_restored_archive_resumes_from_now() -> None:
    async with serving(Service(ServiceConfig())) as service:
        headers = {"Last-Event-ID": "1000000"}
        async with service.admin.stream("GET", "/v1/events", headers=headers, timeout=10) as answer:
            lines = answer.aiter_lines()
            assert [await anext(lines) for _ in range(3)] == [": still here", "id: 0", ""]
            id = await send(service)
            event = [await anext(lines) for _ in range(3)]
            assert event[0] == "event: notification"
            assert id in event[1]
            assert event[2] == "id: 1"


async def test_a_client_cut_off_before_the_first_event_can_resume() -> None:
    async with serving(Service(ServiceConfig())) as service:
        stream = events(service.admin, **{"Last-Event-ID": "0"})
        await send(service)
        last = (await until_completed(stream))[-1]["id"]
        await stream.aclose()
        async with service.admin.stream("GET", "/v1/events", timeout=10) as answer:
            sign: list[str] = []
            async for line in answer.aiter_lines():
                sign.append(line)
                if not line:
                    break
        assert sign == [": still here", f"id: {last}", ""]


async def test_a_stream_ends_with_its_key() -> None:
    async with serving(Service(ServiceConfig())) as service:
        wanted = {"name": "x", "scopes": ["read"]}
        made = (await service.admin.post("/v1/api-keys", json=wanted)).json()
        key = {"X-API-Key": made["key"]}
        async with service.http.stream("GET", "/v1/events", headers=key, timeout=10) as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == ": still here"
            assert (await service.admin.delete(f"/v1/api-keys/{made['id']}")).status_code == 204
            await send(service)
            assert not [line async for line in lines if line.startswith("event")]


async def test_a_stream_ends_with_its_session() -> None:
    async with serving(Service(ServiceConfig())) as service:
        ada = await add_user(service.service)
        cookie = await cookie_of(service.service, ada)
        (session,) = await service.service.identity.sessions.of_user(ada.id)
        async with service.http.stream("GET", "/v1/events", headers=cookie, timeout=10) as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == ": still here"
            await service.service.identity.sessions.end(Actor("local"), ada.id, [session.id])
            await send(service)
            assert not [line async for line in lines if line.startswith("event")]


async def test_one_key_cannot_use_up_all_streams() -> None:
    async with serving(Service(ServiceConfig())) as service, AsyncExitStack() as streams:
        wanted = {"name": "x", "scopes": ["read"]}
        made = (await service.admin.post("/v1/api-keys", json=wanted)).json()
        key = {"X-API-Key": made["key"]}

        opened: list[AsyncIterator[str]] = []

        async def follow(http: httpx.AsyncClient, **headers: str) -> httpx.Response:
            stream = http.stream("GET", "/v1/events", headers=headers, timeout=10)
            answer = await streams.enter_async_context(stream)
            if answer.status_code == 200:
                # The first sign: from here on it counts, for as long as somebody holds it.
                opened.append(lines := answer.aiter_lines())
                await anext(lines)
            return answer

        statuses = [(await follow(service.http, **key)).status_code for _ in range(21)]
        assert statuses == [200] * 20 + [503]
        assert (await follow(service.admin)).status_code == 200


async def test_it_needs_the_read_scope() -> None:
    async with serving(Service(ServiceConfig())) as service:
        assert (await service.http.get("/v1/events")).status_code == 401
        wanted = {"name": "x", "scopes": ["notify:*"]}
        key = (await service.admin.post("/v1/api-keys", json=wanted)).json()["key"]
        answer = await service.http.get("/v1/events", headers={"X-API-Key": key})
        assert answer.status_code == 403
