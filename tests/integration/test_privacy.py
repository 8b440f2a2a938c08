"""What is stored about a person is exported, and erased from every byte of the archive."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest

from flashnotify.app import Service
from flashnotify.delivery.executor import RECIPIENT_ERASED
from flashnotify.domain import Job, Priority, Role
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.passwords import GOOD
from tests.support.running import Running, running
from tests.support.signing_in import OWN_PAGE, add_user, cookie_of

ADA = {
    "name": "Adeline Quixote",
    "first_name": "Adeline",
    "last_name": "Quixote",
    "role": "member",
    "external_id": "etu-quixote",
    "email": "adeline@univ.example",
    "phone": "+33612345678",
    "attributes": {"nickname": "Adeline"},
    "password": GOOD,
}
TRACES = ("adeline", "quixote", "612345678", "topic-of-hers")
ERASE = {"erase": "true"}


async def ada(service: Running, **changes: Any) -> str:
    answer = await service.http.post("/v1/users", json=ADA | changes)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def bytes_of(service: Running) -> bytes:
    """Return all that is on disk of the archive, in lower case."""
    file = service.service.config.archive_file
    names = (file, file.with_name(file.name + "-wal"))
    return b"".join(name.read_bytes() for name in names if name.exists()).lower()


def traces(service: Running) -> set[str]:
    found = bytes_of(service)
    return {trace for trace in TRACES if trace.encode() in found}


def rows(service: Running, query: str) -> list[Any]:
    with closing(sqlite3.connect(service.service.config.archive_file)) as archive:
        return archive.execute(query).fetchall()


async def live(service: Running, id: str) -> None:
    """Let a person have something of everything."""
    device = {"type": "ntfy", "topic": "topic-of-hers"}
    registered = await service.http.post("/v1/devices", json=device)
    with closing(sqlite3.connect(service.service.config.archive_file)) as archive:
        mine = UUID(registered.json()["id"]).bytes
        archive.execute("UPDATE devices SET user_id = ? WHERE id = ?", (UUID(id).bytes, mine))
        archive.execute(
            "INSERT INTO refused_addresses VALUES (?, 'email', ?, 1, 'no', 1, 1)",
            (bytes(16), "adeline@univ.example"),
        )
        archive.commit()
    imported = "external_id,name,groups\netu-quixote,Adeline Quixote,chess\n"
    answer = await service.http.post(
        "/v1/users/import?create_groups=true",
        content=imported,
        headers={"Content-Type": "text/csv"},
    )
    assert answer.status_code == 200, answer.text
    user = await service.service.identity.users.find(UUID(id))
    await cookie_of(service.service, user)
    for to in ([f"user:{id}", "mailto:bob@univ.example"], ["mailto:Adeline@univ.example"]):
        await service.completed(await service.send(to=to))
    later = "2027-12-01T08:00:00+01:00"
    held = [{"all": ["mailto:adeline@univ.example"]}, "mailto:adeline@univ.example"]
    await service.send(to=held, send_at=later)


async def test_all_that_is_stored_is_exported(service: Running) -> None:
    id = await ada(service)
    await live(service, id)
    key = await service.key("people")
    answer = await service.anonymous.get(f"/v1/users/{id}/export", headers=key)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["profile"]["email"] == ADA["email"]
    assert [each["slug"] for each in found["groups"]] == ["chess"]
    assert [each["target"] for each in found["devices"]] == ["topic-of-hers"]
    assert {each["title"] for each in found["deliveries"]} == {"Room changed"}
    assert len(found["deliveries"]) >= 2
    assert {each["action"] for each in found["audit"]} >= {"user.created", "session.begun"}
    assert len(found["sessions"]) == 1
    assert not {"password_hash", "token_hash", "p256dh", "auth"} & _keys(found)
    assert (await service.anonymous.get(f"/v1/users/{id}/export")).status_code == 401
    reader = await service.key("read")
    answer = await service.anonymous.get(f"/v1/users/{id}/export", headers=reader)
    assert answer.status_code == 403
    user = await service.service.identity.users.find(UUID(id))
    own = {**await cookie_of(service.service, user), **OWN_PAGE}
    mine = await service.anonymous.get("/v1/me/export", headers=own)
    assert mine.json()["profile"] == found["profile"]


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


async def test_who_is_erased_is_in_no_byte_of_the_archive(service: Running) -> None:
    id = await ada(service)
    await live(service, id)
    assert traces(service) == set(TRACES)
    before = rows(service, "SELECT channel, status, sum(deliveries) FROM counts GROUP BY 1, 2")
    answer = await service.http.delete(f"/v1/users/{id}", params=ERASE)
    assert answer.status_code == 204, answer.text
    assert traces(service) == set()
    # Others, and what is counted, stay.
    assert b"bob@univ.example" in bytes_of(service)
    counts = "SELECT channel, status, sum(deliveries) FROM counts GROUP BY 1, 2"
    assert rows(service, counts) == before
    assert (await service.http.get(f"/v1/users/{id}")).status_code == 404
    entries = (await service.get("/v1/audit", target=f"user:{id}"))["items"]
    assert entries[0]["action"] == "user.erased"
    assert (await service.get("/v1/audit/verification"))["broken"] == []


async def test_what_waits_for_who_is_erased_is_not_sent(
    service: Running, clock: ManualClock
) -> None:
    id = await ada(service)
    to = ["mailto:adeline@univ.example", "mailto:bob@univ.example"]
    later = await service.send(to=to, delay="60min")
    await service.http.delete(f"/v1/users/{id}", params=ERASE)
    await clock.advance(3600)
    await service.completed(later)
    found = (await service.get(f"/v1/notifications/{later}/deliveries"))["items"]
    assert {each["status"] for each in found if "bob" not in each["to"]} <= {"skipped"}
    assert traces(service) == set()


async def test_a_queued_delivery_ends_when_its_person_was_erased(clock: ManualClock) -> None:
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        id = await ada(service)
        sent = await service.send(to=["mailto:adeline@univ.example"])
        await service.service.start()
        # The batch is in memory: what the archive says now would come too late.
        queued = await service.until(
            f"/v1/notifications/{sent}/deliveries", lambda page: bool(page["items"])
        )
        assert queued["items"]
        await service.http.delete(f"/v1/users/{id}", params=ERASE)
        await service.completed(sent)
        [delivery] = (await service.get(f"/v1/notifications/{sent}/deliveries"))["items"]
        assert delivery["status"] in ("skipped", "sent")
        assert traces(service) == set()


def test_the_reason_is_in_words() -> None:
    assert RECIPIENT_ERASED.reason == "the person was erased"


async def test_nobody_is_erased_by_mistake(service: Running) -> None:
    id = await ada(service)
    for params in ({}, {"erase": "false"}):
        answer = await service.http.delete(f"/v1/users/{id}", params=params)
        [error] = answer.json()["errors"]
        assert (answer.status_code, error["pointer"]) == (422, "/erase")
        assert "deactivate" in error["detail"]
    boss = await add_user(service.service, email="boss@univ.example")
    answer = await service.http.delete(f"/v1/users/{boss.id}", params=ERASE)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    await add_user(service.service, email="other@univ.example")
    people = await service.key("people")
    answer = await service.anonymous.delete(f"/v1/users/{boss.id}", params=ERASE, headers=people)
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    answer = await service.anonymous.delete(f"/v1/users/{id}", params=ERASE, headers=people)
    assert answer.status_code == 204


@pytest.mark.parametrize(
    ("body", "after", "status"),
    [({"password": GOOD}, 3600, 204), ({"password": "x"}, 0, 422), ({}, 60, 204), ({}, 3600, 403)],
)
async def test_people_erase_themselves(
    service: Running, clock: ManualClock, body: Any, after: int, status: int
) -> None:
    id = await ada(service)
    user = await service.service.identity.users.find(UUID(id))
    own = {**await cookie_of(service.service, user), **OWN_PAGE}
    await clock.advance(after)
    answer = await service.anonymous.request(
        "DELETE", "/v1/me", params=ERASE, json=body, headers=own
    )
    assert answer.status_code == status, answer.text
    gone = await service.anonymous.get("/v1/me/export", headers=own)
    assert gone.status_code == (401 if status == 204 else 200)
    assert (traces(service) == set()) == (status == 204)
    assert user.role is Role.member


async def test_a_message_under_way_is_waited_for(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        id = await ada(service)
        in_flight = service.service.in_flight
        sent = await service.send(to=["mailto:adeline@univ.example"], delay="60min")
        notification = UUID(sent)
        job = Job(service.service.ids(), notification, Priority.low, "email")
        delivery = service.service.ids()
        values = (delivery.bytes, notification.bytes, job.id.bytes)
        with closing(sqlite3.connect(service.service.config.archive_file)) as archive:
            archive.execute(
                "INSERT INTO deliveries (id, notification_id, job_id, channel, address, status,"
                " due_at, updated_at) VALUES (?, ?, ?, 'email', 'Adeline@univ.example', 'queued',"
                " 0, 0)",
                values,
            )
            archive.commit()

        async def no_pause(_: float) -> None:
            await asyncio.sleep(0)

        monkeypatch.setattr(clock, "sleep", no_pause)
        with in_flight.job(job), in_flight.delivery(job, delivery):
            answer = await service.http.delete(f"/v1/users/{id}", params=ERASE)
            assert (answer.status_code, answer.json()["code"]) == (503, "being_sent")
            # It is not sent a second time, and the person is out already.
            assert delivery in in_flight.erased
            assert not (await service.get(f"/v1/users/{id}"))["active"]
        answer = await service.http.delete(f"/v1/users/{id}", params=ERASE)
        assert answer.status_code == 204
        assert traces(service) == set()
