"""Whom audiences reach that name people, groups and combinations of them, in a real archive."""

import asyncio
import sqlite3
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest

from flashnotify.app import Service
from flashnotify.archive.people_records import Person
from flashnotify.archive.records import FanOutSlice
from flashnotify.delivery.fan_out import FanOut
from flashnotify.delivery.recipients import Recipients
from flashnotify.domain import Job, Lane, Priority, Role
from flashnotify.identity.audit import Actor
from flashnotify.settings import ServiceConfig
from tests.integration.test_groups import create, nest
from tests.support.manual_clock import ManualClock
from tests.support.people import add_user
from tests.support.running import ACADEMIC, Running, running

LOCAL = Actor("local")
# By external id: attributes, and the groups that they are members of.
PEOPLE: dict[str, tuple[dict[str, Any], str]] = {
    "ada": ({"campus": "Nord", "year": 3, "tags": ["chess", "go"], "année": 1}, "info chess"),
    "bob": ({"campus": "Sud", "year": 3.0, "paid": True}, "info"),
    "cid": ({"campus": "Nord", "year": "3", "paid": 1}, "chess"),
    "dee": ({"campus": {"name": "Nord"}, "paid": False}, "staff"),
}


@pytest.fixture
async def campus(service: Running) -> dict[str, UUID]:
    return await fill(service)


async def fill(service: Running) -> dict[str, UUID]:
    """Store people and groups, and return the ids of the people."""
    ids: dict[str, UUID] = {}
    groups = {slug: await create(service, slug) for slug in ("info", "chess", "staff", "none")}
    for name, (attributes, member_of) in PEOPLE.items():
        more = {"email": f"{name}@univ.example", "attributes": attributes, "external_id": name}
        ids[name] = (await add_user(service.service, Role.viewer, **more)).id
        for slug in member_of.split():
            path = f"/v1/groups/{groups[slug]['id']}/members/{name}"
            assert (await service.http.put(path)).status_code == 204
    return ids


async def reached(service: Running, *to: Any, **more: Any) -> list[str]:
    """Return the addresses that a notification reaches, by what is before the `@`."""
    id = await service.send(to=list(to), **{"channels": ["email"], **more})
    await service.completed(id)
    items = (await service.get(f"/v1/notifications/{id}/deliveries"))["items"]
    return sorted(item["to"].partition("@")[0] for item in items if item["status"] == "sent")


async def damage(service: Running, statement: str) -> None:
    """Change the archive behind the service's back."""
    with closing(sqlite3.connect(service.service.config.archive_file)) as archive, archive:
        archive.execute(statement)


async def ruled(service: Running, rule: dict[str, Any]) -> list[str]:
    """Return whom a group with only a rule has."""
    await create(service, "ruled", rule=rule)
    return await reached(service, "group:ruled")


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (["user:ada"], "ada"),
        (["group:info"], "ada bob"),
        (["group:info", "group:chess"], "ada bob cid"),
        (["group:info", "user:ada", "mailto:ADA@univ.example", "user:ada"], "ada bob"),
        (["mailto:ada@univ.example", "mailto:eve@univ.example", "user:ada"], "ada eve"),
        ([{"all": ["group:info", "group:chess"]}], "ada"),
        ([{"any": ["group:chess", "user:dee"], "not": ["group:info"]}], "cid dee"),
        ([{"all": ["group:info"], "not": ["mailto:BOB@univ.example"]}], "ada"),
        ([{"all": [{"any": ["user:ada", "user:cid"]}], "not": [{"all": ["group:info"]}]}], "cid"),
        ([{"all": [{"all": [{"all": [{"all": [{"all": ["user:ada"]}]}]}]}]}], "ada"),
        ([{"all": ["group:info"], "not": ["group:info"]}, "user:dee"], "dee"),
    ],
)
async def test_each_person_is_reached_once(
    service: Running, campus: dict[str, UUID], to: list[Any], expected: str
) -> None:
    assert await reached(service, *to) == expected.split()


async def test_people_are_named_by_their_ids_too(service: Running, campus: dict[str, UUID]) -> None:
    to = [f"user:{campus['ada']}", "user:ada", {"all": [f"user:{campus['bob']}"]}]
    assert await reached(service, *to) == ["ada", "bob"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"campus": ["Nord"]}, "ada cid"),
        ({"campus": "Nord", "year": [3]}, "ada"),
        ({"year": [3]}, "ada bob"),
        ({"year": ["3"]}, "cid"),
        ({"paid": [True]}, "bob"),
        ({"paid": [1]}, "cid"),
        ({"paid": [False]}, "dee"),
        ({"tags": ["go"]}, "ada"),
        ({"année": [1]}, "ada"),
        ({"not": {"campus": ["Nord"]}}, "bob dee"),
        ({"any": [{"tags": ["go"]}, {"campus": ["Sud"]}]}, "ada bob"),
        ({"campus": ["Nord"], "not": {"any": [{"year": [3]}, {"x": ["y"]}]}}, "cid"),
        ({"campus": ["nord", "N%"]}, ""),
    ],
)
async def test_a_rule_has_whom_its_attributes_match(
    service: Running, campus: dict[str, UUID], rule: dict[str, Any], expected: str
) -> None:
    assert await ruled(service, rule) == expected.split()


async def test_a_group_has_the_people_of_the_groups_in_it(
    service: Running, campus: dict[str, UUID]
) -> None:
    await create(service, "all")
    await create(service, "north", rule={"campus": ["Nord"]})
    await nest(service, "none", "north", "staff")
    await nest(service, "all", "none")
    assert await reached(service, "group:all") == ["ada", "cid", "dee"]
    assert await reached(service, {"any": ["group:info"], "not": ["group:all"]}) == ["bob"]


async def test_a_cycle_in_a_damaged_archive_ends(service: Running, campus: dict[str, UUID]) -> None:
    await nest(service, "info", "chess")
    stored = service.service.archive.groups
    ids = {g["slug"]: UUID(g["id"]) for g in (await service.get("/v1/groups"))["items"]}

    async def write(entry: Any) -> None:
        await stored.set_subgroups(ids["chess"], [ids["info"]], [], entry)

    await service.service.identity.audit.record(LOCAL, "group.nested", write=write)
    assert await reached(service, "group:chess") == ["ada", "bob", "cid"]


async def test_damaged_attributes_leave_out_only_their_person(
    service: Running, campus: dict[str, UUID]
) -> None:
    await damage(service, "UPDATE users SET attributes = '{' WHERE external_id = 'bob'")
    assert await ruled(service, {"any": [{"campus": ["Nord"]}, {"campus": ["Sud"]}]}) == [
        "ada",
        "cid",
    ]


async def test_an_empty_audience_is_accepted_with_a_warning(
    service: Running, campus: dict[str, UUID]
) -> None:
    for to in (["group:none"], [{"all": ["group:staff", "group:info"]}]):
        answer = await service.http.post("/v1/notifications", json=ACADEMIC | {"to": to})
        assert answer.status_code == 202
        [warning] = answer.json()["warnings"]
        assert (warning["pointer"], warning["code"]) == ("/to", "empty_audience")
        found = await service.completed(answer.json()["id"])
        assert (found["outcome"], found["recipients"]) == ("none", 0)
    filled = await service.http.post("/v1/notifications", json=ACADEMIC | {"to": ["group:info"]})
    assert not filled.json().get("warnings")


async def test_recipients_in_groups_count_once_they_are_known(
    service: Running, campus: dict[str, UUID]
) -> None:
    to = ["mailto:eve@univ.example", "user:dee", "group:info", {"all": ["group:chess"]}]
    later = "2035-01-01T08:00:00Z"
    id = await service.send(to=to, send_at=later)
    assert (await service.get(f"/v1/notifications/{id}"))["recipients"] == 2
    shown = await service.get(f"/v1/notifications/{id}", include="to")
    assert shown["to"] == [
        "mailto:eve@univ.example",
        f"user:{campus['dee']}",
        "group:info",
        {"all": ["group:chess"]},
    ]
    done = await service.completed(await service.send(to=to))
    assert done["recipients"] == 5


async def test_the_audience_is_that_of_the_fan_out(
    service: Running, campus: dict[str, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    slices = Recipients.slices

    async def held(self: Recipients, notification: Any) -> Any:
        begun.set()
        await go_on.wait()
        async for some in slices(self, notification):
            yield some

    monkeypatch.setattr(Recipients, "slices", held)
    id = await service.send(to=["group:info", "user:cid"], channels=["email"])
    await begun.wait()
    await service.http.delete("/v1/groups/info/members/ada")
    await service.http.put("/v1/groups/info/members/dee")
    for name in ("bob", "cid"):
        await service.http.post(f"/v1/users/{campus[name]}/deactivate")
    go_on.set()
    await service.completed(id)
    items = (await service.get(f"/v1/notifications/{id}/deliveries"))["items"]
    ended = sorted((item["to"], item["status"], item["reason"]) for item in items)
    # Who was named leaves a trace; who is in a group is who is active there now.
    assert ended == [
        (str(campus["cid"]), "skipped", "the person is deactivated"),
        ("dee@univ.example", "sent", None),
    ]


async def test_a_group_that_is_gone_excludes_everybody(
    service: Running, campus: dict[str, UUID]
) -> None:
    id = await service.send(
        to=["user:dee", {"all": ["group:info"], "not": ["group:chess"]}],
        channels=["email"],
        send_at="2035-01-01T08:00:00Z",
    )
    await damage(service, "UPDATE groups SET slug = 'gone' WHERE slug = 'chess'")
    notification = await service.service.archive.notifications.find(UUID(id))
    assert notification is not None
    recipients = Recipients(service.service.archive.directory)
    found = [each async for some in recipients.slices(notification) for each in some.recipients]
    assert [each.external_id for each in found if isinstance(each, Person)] == ["dee"]


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_a_fan_out_that_is_interrupted_goes_on_where_it_was(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr("flashnotify.delivery.recipients._SLICE", 1)
    async with running(Service(ServiceConfig(), clock), deliver=False) as running_service:
        await fill(running_service)
        service = running_service.service
        id = await running_service.send(to=["user:dee", "group:info", "group:chess"])
        [job] = await service.archive.jobs.ready(Lane(None, Priority.low), None, 10)
        recipients = Recipients(service.archive.directory)
        fan_out = FanOut(service.archive, recipients, service.planner, clock)
        add = service.archive.notifications.add_deliveries
        stored: list[FanOutSlice] = []

        async def interrupted(job: Job, done: FanOutSlice, now: int) -> None:
            if len(stored) == after:
                raise asyncio.CancelledError
            await add(job, done, now)
            stored.append(done)

        with monkeypatch.context() as patch:
            patch.setattr(service.archive.notifications, "add_deliveries", interrupted)
            with pytest.raises(asyncio.CancelledError):
                await fan_out.execute(job)
        await fan_out.execute(job)
        found = await running_service.get(f"/v1/notifications/{id}")
        assert found["recipients"] == 4
        deliveries = f"/v1/notifications/{id}/deliveries"
        items = (await running_service.get(deliveries, channel="email"))["items"]
        reached = sorted(item["to"].partition("@")[0] for item in items)
        assert reached == ["ada", "bob", "cid", "dee"]


async def test_one_request_to_a_group_is_one_notification(
    service: Running, campus: dict[str, UUID]
) -> None:
    headers = {"Idempotency-Key": "k"}
    body = ACADEMIC | {"to": ["group:info"]}
    answers = [
        await service.http.post("/v1/notifications", json=body, headers=headers) for _ in range(2)
    ]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    batch = await service.http.post(
        "/v1/notifications/batch", json=[body, body | {"to": ["group:x"]}]
    )
    assert (batch.json()["accepted"], batch.json()["rejected"]) == (1, 1)
    error = batch.json()["results"][1]["error"]["errors"][0]
    assert (error["pointer"], error["code"]) == ("/to/0", "unknown_group")
    text = await service.http.post(
        "/v1/notify/academic", params={"to": "group:info", "course": "ALG-2"}, content="Room B204"
    )
    assert text.status_code == 202, text.text
    assert (await service.completed(text.json()["id"]))["recipients"] == 2
