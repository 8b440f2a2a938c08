"""`/v1/groups`: sets of people, who is in them, and which are in others."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from flashnotify.app import Service
from flashnotify.domain import Role
from flashnotify.settings import ServiceConfig
from tests.integration.test_users import audited
from tests.support.archives import empty_archive
from tests.support.directory import Directory
from tests.support.eventually import eventually
from tests.support.loop_steps import BOUND, longest_step
from tests.support.manual_clock import ManualClock
from tests.support.people import add_user
from tests.support.running import Running, running

INFO: dict[str, Any] = {"slug": "l3-info", "name": "L3 Informatique"}
RULE = {"programme": ["L3-INFO"], "not": {"campus": ["Sud"]}}


async def create(service: Running, slug: str = "l3-info", **more: Any) -> Any:
    answer = await service.http.post("/v1/groups", json={"slug": slug, "name": slug, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def people(service: Running, number: int) -> list[str]:
    """Store some people, and return their external ids."""
    names = [f"etu{index}" for index in range(number)]
    for name in names:
        email = f"{name}@univ.example"
        await add_user(service.service, Role.viewer, email=email, external_id=name)
    return names


async def nest(service: Running, slug: str, *children: str) -> Any:
    path = f"/v1/groups/{slug}/subgroups"
    return await service.http.put(path, json={"groups": list(children)})


async def test_a_group_is_created_shown_changed_and_removed(service: Running) -> None:
    wanted = {
        **INFO,
        "description": "Third year.\nBoth tracks.",
        "external_id": "grp-7",
        "rule": RULE,
        "joinable": True,
        "kind": "academic",
    }
    answer = await service.http.post("/v1/groups", json=wanted)
    assert answer.status_code == 201, answer.text
    group = answer.json()
    assert answer.headers["Location"] == f"/v1/groups/{group['id']}"
    assert group == {
        **wanted,
        "cost_centre": None,
        "id": group["id"],
        "owner": "local",
        "created_at": group["created_at"],
    }
    other = await create(service, "chess")
    assert await service.get("/v1/groups") == {"items": [other, group], "next": None}
    assert (await service.get("/v1/groups", search="INFORM"))["items"] == [group]
    assert (await service.get("/v1/groups", joinable=False))["items"] == [other]
    for name in (group["id"], "l3-info"):
        assert await service.get(f"/v1/groups/{name}") == group
    changes = {"slug": "l3", "rule": None}
    changed = await service.http.patch("/v1/groups/l3-info", json=changes)
    assert changed.json() == group | changes
    assert (await service.http.delete("/v1/groups/l3")).status_code == 204
    assert (await service.http.get(f"/v1/groups/{group['id']}")).status_code == 404
    done = [(action, details) for _, action, _, details in audited(service)]
    assert done[-2:] == [
        ("group.changed", {"fields": ["rule", "slug"], "slug": ["l3-info", "l3"]}),
        ("group.removed", {"slug": "l3"}),
    ]


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"slug": "L3 Info"}, "/slug", "invalid_slug"),
        ({"slug": str(UUID(int=7))}, "/slug", "invalid_slug"),
        ({"name": " "}, "/name", "empty"),
        ({"kind": "academc"}, "/kind", "unknown_kind"),
        ({"owner": "local"}, "/owner", "unknown_field"),
        ({"rule": {}}, "/rule", "empty"),
        ({"rule": {'campus".x': ["Nord"]}}, '/rule/campus".x', "invalid_name"),
        ({"rule": {"campus": []}}, "/rule/campus", "wrong_type"),
        ({"rule": {"campus": ["Nord", None]}}, "/rule/campus/1", "wrong_type"),
        ({"rule": {"year": [2**60]}}, "/rule/year/0", "out_of_range"),
        ({"rule": {"year": [10**400]}}, "/rule/year/0", "out_of_range"),
        ({"rule": {"not": ["Nord"]}}, "/rule/not", "wrong_type"),
        ({"rule": {"any": {"campus": ["Nord"]}}}, "/rule/any", "wrong_type"),
        ({"rule": {"any": [{"a/b": ["x"]}]}}, "/rule/any/0/a~1b", "invalid_name"),
        ({"rule": {"campus": list(map(str, range(100)))}}, "/rule/campus/99", "too_many"),
        (
            {"rule": {"not": {"not": {"not": {"not": {"not": {"x": [1]}}}}}}},
            "/rule/not/not/not/not/not",
            "too_deep",
        ),
    ],
)
async def test_what_is_wrong_is_refused_by_name(
    service: Running, changes: dict[str, Any], pointer: str, code: str
) -> None:
    await create(service, "known")
    for method, path, body in (
        ("POST", "/v1/groups", INFO | changes),
        ("PATCH", "/v1/groups/known", changes),
    ):
        answer = await service.http.request(method, path, json=body)
        assert answer.status_code == 422, answer.text
        found = [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
        assert found == [(pointer, code)]


async def test_slugs_and_external_ids_are_unique(service: Running) -> None:
    group = await create(service, external_id="grp-7")
    await create(service, "other")
    for name, value in (("slug", "l3-info"), ("external_id", "grp-7")):
        body = INFO | {"slug": "new"} | {name: value}
        answer = await service.http.post("/v1/groups", json=body)
        changed = await service.http.patch("/v1/groups/other", json={name: value})
        for refused in (answer, changed):
            assert (refused.status_code, refused.json()["code"]) == (409, "already_taken")
            [error] = refused.json()["errors"]
            assert error["pointer"] == f"/{name}"
            assert error["detail"] == f"belongs to the group {group['id']}"


async def test_members_are_added_listed_and_removed(service: Running) -> None:
    await create(service)
    names = await people(service, 3)
    users = {user["external_id"]: user for user in (await service.get("/v1/users"))["items"]}
    path = "/v1/groups/l3-info/members"
    answer = await service.http.post(path, json={"members": [names[0], users["etu1"]["id"]]})
    assert answer.json() == {"added": 2, "already": 0}
    again = await service.http.post(path, json={"members": [*names, *names]})
    assert again.json() == {"added": 1, "already": 2}
    assert (await service.http.put(f"{path}/etu0")).status_code == 204
    first = await service.get(path, limit=2)
    rest = await service.get(path, limit=2, cursor=first["next"])
    assert rest["next"] is None
    shown = [*first["items"], *rest["items"]]
    assert [item["external_id"] for item in shown] == ["etu2", "etu1", "etu0"]
    assert shown[0] == {
        "id": users["etu2"]["id"],
        "name": "Ada Lovelace",
        "external_id": "etu2",
        "active": True,
        "source": "manual",
        "channels": None,
        "since": shown[0]["since"],
    }
    assert (await service.http.delete(f"{path}/etu1")).status_code == 204
    assert (await service.http.delete(f"{path}/etu1")).status_code == 404
    assert (await service.http.delete(f"{path}/nobody")).status_code == 404
    assert len((await service.get(path))["items"]) == 2


async def test_nobody_is_added_if_somebody_is_unknown(service: Running) -> None:
    await create(service)
    [known] = await people(service, 1)
    path = "/v1/groups/l3-info/members"
    answer = await service.http.post(path, json={"members": [known, "nobody"]})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/members/1", "unknown_user")
    assert (await service.get(path))["items"] == []
    too_many = await service.http.post(path, json={"members": ["x"] * 10_001})
    assert too_many.json()["errors"][0]["pointer"] == "/members"


async def test_no_group_is_in_itself(service: Running) -> None:
    for slug in ("a", "b", "c"):
        await create(service, slug)
    assert (await nest(service, "a", "b")).status_code == 200
    listed = await nest(service, "b", "c")
    assert [group["slug"] for group in listed.json()["items"]] == ["c"]
    for slug, child in (("a", "a"), ("c", "a"), ("b", "a")):
        answer = await nest(service, slug, child)
        assert (answer.status_code, answer.json()["code"]) == (409, "group_cycle"), (slug, child)
    unknown = await nest(service, "a", "b", "d")
    assert unknown.status_code == 422
    assert unknown.json()["errors"][0]["pointer"] == "/groups/1"
    # Taken out again.
    assert (await nest(service, "b")).json() == {"items": [], "next": None}
    assert (await nest(service, "c", "a")).status_code == 200


async def test_groups_nest_five_deep(service: Running) -> None:
    for slug in "abcdef":
        await create(service, slug)
    for slug, child in ("ab", "bc", "ef", "de"):
        assert (await nest(service, slug, child)).status_code == 200
    # a > b > c, and d > e > f: six in a row would be too deep, however they are joined.
    deep = await nest(service, "c", "d")
    assert (deep.status_code, deep.json()["code"]) == (409, "group_too_deep")
    assert (await nest(service, "c", "e")).status_code == 200


async def test_removing_a_group_leaves_its_people_and_the_groups_around_it(
    service: Running,
) -> None:
    for slug in "abc":
        await create(service, slug)
    await nest(service, "a", "b")
    await nest(service, "b", "c")
    names = await people(service, 1)
    await service.http.post("/v1/groups/b/members", json={"members": names})
    assert (await service.http.delete("/v1/groups/b")).status_code == 204
    assert (await service.get("/v1/groups/a/subgroups"))["items"] == []
    assert len((await service.get("/v1/users"))["items"]) == 1


async def test_what_an_unfinished_notification_names_stays(service: Running) -> None:
    group = await create(service)
    later = "2035-01-01T08:00:00Z"
    to = [{"all": ["group:l3-info"]}]
    id = await service.send(to=to, send_at=later)
    for answer in (
        await service.http.delete("/v1/groups/l3-info"),
        await service.http.patch("/v1/groups/l3-info", json={"slug": "l3"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "group_in_use")
        assert id in answer.json()["detail"]
    renamed = await service.http.patch("/v1/groups/l3-info", json={"name": "L3"})
    assert renamed.json() == group | {"name": "L3"}
    await service.http.post(f"/v1/notifications/{id}/cancel")

    async def removed() -> int:
        return (await service.http.delete("/v1/groups/l3-info")).status_code

    # As soon as what is cancelled has left its trace.
    await eventually(removed, lambda status: status == 204)


async def test_ten_thousand_are_added_without_holding_the_loop(clock: ManualClock) -> None:
    config = ServiceConfig()
    config.archive_file.parent.mkdir(parents=True, exist_ok=True)
    config.archive_file.write_bytes(await asyncio.to_thread(empty_archive))
    directory = Directory(config.archive_file)
    directory.add_people(10_000)
    group = directory.add_group("l3-info")
    async with running(Service(config, clock), deliver=False) as service:
        body = {"members": [f"etu{index}" for index in range(10_000)]}

        async def add() -> None:
            answer = await service.http.post(f"/v1/groups/{group}/members", json=body)
            assert answer.status_code == 200, answer.text

        assert await longest_step(add) < BOUND
        answer = await service.http.post(f"/v1/groups/{group}/members", json=body)
        assert answer.json() == {"added": 0, "already": 10_000}
