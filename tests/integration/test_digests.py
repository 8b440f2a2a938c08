"""Digests: low notifications in one message, at the person's local time, once."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from flashnotify.app import Service
from flashnotify.archive.identity_records import User
from flashnotify.errors import Unavailable
from flashnotify.settings import ServiceConfig
from tests.support.loop_turns import some_turns
from tests.support.manual_clock import ManualClock
from tests.support.people import add_user
from tests.support.running import Running, running

NOON = "2026-12-01T12:00+01:00"
EVENING = {"digest": {"every": "daily", "at": "18:00"}}


def clock_at(moment: str) -> ManualClock:
    return ManualClock(round(datetime.fromisoformat(moment).timestamp() * 1000))


async def until(clock: ManualClock, moment: str) -> None:
    await clock.advance(datetime.fromisoformat(moment).timestamp() - clock.now() / 1000)


@asynccontextmanager
async def paris(clock: ManualClock) -> AsyncIterator[Running]:
    async with running(Service(ServiceConfig(timezone="Europe/Paris"), clock)) as service:
        yield service


async def reader(service: Running, name: str = "ada", **more: Any) -> User:
    """Return somebody who wants a daily digest at 18:00."""
    user = await add_user(service.service, email=f"{name}@univ.example", **more)
    await choose(service, user, EVENING)
    return user


async def choose(service: Running, user: User, chosen: Any) -> None:
    answer = await service.http.put(f"/v1/users/{user.id}/preferences", json=chosen)
    assert answer.status_code == 200, answer.text


async def send(service: Running, users: Sequence[User], **changes: Any) -> str:
    to = [f"user:{user.id}" for user in users]
    id = await service.send(**{"to": to, "priority": "low"} | changes)
    await service.completed(id)
    return id


async def digests(service: Running, number: int, to: str = "ada") -> list[Any]:
    """Return the digests that somebody was sent, oldest first, once there are so many."""

    def sent(found: Any) -> list[Any]:
        items = [i for i in found["items"] if i["subject"] and "notification" in i["subject"]]
        return [i for i in reversed(items) if i["to"].startswith(to)]

    return sent(await service.until("/v1/outbox", lambda found: len(sent(found)) >= number))


async def test_what_came_is_listed_in_one_message_in_the_person_s_language() -> None:
    clock = clock_at(NOON)
    async with paris(clock) as service:
        user = await reader(service, locale="fr")
        first = await send(service, [user], title="Salle modifiée", body="B204.\nVoir plus tard.")
        await send(service, [user], title="Rappel", body="Voir\nhttps://univ.example/x?y=1.")
        await send(service, [user], title="Now", priority="medium")
        found = (await service.get(f"/v1/notifications/{first}/deliveries"))["items"]
        # The inbox has it at once.
        assert {d["channel"]: d["status"] for d in found} == {
            "email": "skipped",
            "in_app": "delivered",
        }
        [delivery] = [d for d in found if d["channel"] == "email"]
        assert delivery["reason"] == "goes into the daily digest of 2026-12-01 18:00"
        await until(clock, "2026-12-01T17:59:59+01:00")
        assert len((await service.get("/v1/outbox"))["items"]) == 1
        await until(clock, "2026-12-01T18:00+01:00")
        [digest] = await digests(service, 1)
        assert digest["subject"].startswith("Résumé")
        assert digest["subject"].endswith("2 notifications")
        listed = ("• Salle modifiée\nB204.\n", "• Rappel\nVoir\nhttps://univ.example/x?y=1")
        assert all(part in digest["text"] for part in listed)
        assert "Voir plus tard" not in digest["text"]
        assert 'href="https://univ.example/x?y=1"' in digest["html"]
        assert "/u/" not in digest["text"]
        # The next day, there is nothing to tell.
        await until(clock, "2026-12-02T18:01+01:00")
        assert len(await digests(service, 1)) == 1


@pytest.mark.parametrize(
    ("noon", "zones"),
    [
        ("2026-12-01T11:00+00:00", {"Europe/Paris": "17:00", "America/New_York": "23:00"}),
        # The clocks go forward in Paris; then back in New York.
        ("2026-03-29T00:30+00:00", {"Europe/Paris": "16:00", "America/New_York": "22:00"}),
        ("2026-11-01T05:30+00:00", {"Europe/Paris": "17:00", "America/New_York": "23:00"}),
    ],
)
async def test_a_digest_comes_at_the_local_time_of_each_person(
    noon: str, zones: dict[str, str]
) -> None:
    clock, day = clock_at(noon), noon[:10]
    async with paris(clock) as service:
        names = {"Europe/Paris": "ada", "America/New_York": "bob"}
        users = [await reader(service, name, timezone=zone) for zone, name in names.items()]
        await send(service, users)
        for zone, at in zones.items():
            await until(clock, f"{day}T{at}+00:00")
            [digest] = await digests(service, 1, names[zone])
            at_digest = datetime.fromisoformat(digest["captured_at"])
            assert at_digest == datetime.fromisoformat(f"{day}T{at}+00:00")


async def test_a_restart_at_the_time_of_a_digest_sends_it_once() -> None:
    clock = clock_at(NOON)
    async with paris(clock) as service:
        user = await reader(service)
        await send(service, [user])
        await clock.advance(3600)
    await until(clock, "2026-12-01T18:30+01:00")
    for _ in range(2):
        async with paris(clock) as service:
            assert len(await digests(service, 1)) == 1
            await clock.advance(120)
            await service.ready()


async def test_a_digest_and_the_end_of_what_it_lists_are_one_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = clock_at(NOON)
    async with paris(clock) as service:
        user = await reader(service)
        await send(service, [user])
        stored = service.service.archive.notifications
        original, refused = stored.accept, 0

        def refusing(*arguments: Any, **more: Any) -> Any:
            nonlocal refused
            if more.get("digested") and not refused:
                refused += 1
                raise Unavailable("The disk is full.", retry_after=5)
            return original(*arguments, **more)

        monkeypatch.setattr(stored, "accept", refusing)
        await until(clock, "2026-12-01T18:00+01:00")
        waiting = service.service.archive.digests.due
        while not refused:
            await some_turns()
        assert len(await waiting(clock.now(), None, 10)) == 1
        while await waiting(clock.now(), None, 10):
            await clock.advance(5)
            await some_turns()
        assert len(await digests(service, 1)) == refused == 1


async def test_what_is_over_and_who_has_left_are_left_out() -> None:
    clock = clock_at(NOON)
    async with paris(clock) as service:
        ada, bob = await reader(service), await reader(service, "bob")
        await send(service, [ada, bob], title="Kept")
        # It would have expired by then, and so it goes at once.
        at_once = await send(service, [ada], expires_at="2026-12-01T17:00+01:00")
        assert (await service.get(f"/v1/notifications/{at_once}"))["counts"]["email"]["sent"] == 1
        await service.http.post(f"/v1/users/{bob.id}/deactivate")
        await until(clock, "2026-12-01T18:02+01:00")
        [digest] = await digests(service, 1)
        assert "• Kept" in digest["text"]
        await clock.advance(120)
        outbox = (await service.get("/v1/outbox"))["items"]
        assert not [item for item in outbox if item["to"].startswith("bob")]
        due = await service.service.archive.digests.due(clock.now() + 10**9, None, 10)
        assert due == []


async def test_who_turns_it_off_gets_what_waits_at_once_and_who_moves_it_then() -> None:
    clock = clock_at(NOON)
    async with paris(clock) as service:
        ada, bob = await reader(service), await reader(service, "bob")
        await send(service, [ada, bob])
        await choose(service, ada, {})
        assert len(await digests(service, 1)) == 1
        await choose(service, bob, {"digest": {"every": "daily", "at": "13:00"}})
        await until(clock, "2026-12-01T12:59:59+01:00")
        assert len((await service.get("/v1/outbox"))["items"]) == 1
        await until(clock, "2026-12-01T13:00+01:00")
        assert len(await digests(service, 1, "bob")) == 1


async def test_the_first_channel_that_a_person_has_is_used() -> None:
    clock = clock_at(NOON)
    async with paris(clock) as service:
        user = await add_user(service.service, email=None, phone="+33612345678")
        await choose(service, user, {**EVENING, "kinds": {"academic": ["sms"]}})
        await send(service, [user])
        await until(clock, "2026-12-01T18:00+01:00")
        found = await service.until("/v1/outbox", lambda found: found["items"])
        [sms] = found["items"]
        assert (sms["channel"], sms["to"]) == ("sms", "+33612345678")


async def test_callers_cannot_send_one_nor_choose_its_channels(service: Running) -> None:
    document = {"kind": "digest", "title": "x", "body": "x", "to": ["mailto:a@univ.example"]}
    answer = await service.http.post("/v1/notifications", json=document)
    assert answer.status_code == 422
    assert "digest" not in [kind["kind"] for kind in (await service.get("/v1/kinds"))["items"]]


async def test_many_digests_flow_in_slices_of_many_entries() -> None:
    """More people than a slice has, and one with more than a digest has."""
    clock = clock_at(NOON)
    async with paris(clock) as service:
        users = [await reader(service, f"u{number}") for number in range(60)]
        await send(service, users)
        for _ in range(51):
            await send(service, users[:1])
        await until(clock, "2026-12-01T18:00+01:00")
        ids = [
            notification["id"]
            for notification in (
                await service.until(
                    "/v1/notifications?kind=digest&limit=200",
                    lambda found: len(found["items"]) >= 61,
                )
            )["items"]
        ]
        assert len(ids) == len({UUID(id) for id in ids}) == 61
        assert await service.service.archive.digests.due(clock.now(), None, 10) == []
