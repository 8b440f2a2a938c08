"""Groups that the campus directory pushes by SCIM."""

from typing import Any
from uuid import uuid4

import pytest

from tests.support.running import Running
from tests.support.scim import BULK, GROUP, PATCH, USER, Scim, scim_of


@pytest.fixture
async def scim(service: Running) -> Scim:
    return await scim_of(service)


async def people(scim: Scim, number: int) -> list[str]:
    operations = [
        {
            "method": "POST",
            "path": "/Users",
            "bulkId": f"u{index}",
            "data": {"schemas": [USER], "userName": f"u{index}"},
        }
        for index in range(number)
    ]
    answer = await scim.call("POST", "/Bulk", {"schemas": [BULK], "Operations": operations})
    assert answer.status_code == 200, answer.text
    results = answer.json()["Operations"]
    assert {result["status"] for result in results} == {"201"}
    return [result["location"].rpartition("/")[2] for result in results]


async def members(scim: Scim, id: str) -> list[str]:
    return [each["value"] for each in (await scim.get(f"/Groups/{id}")).get("members", [])]


def values(ids: list[str]) -> list[dict[str, str]]:
    return [{"value": id} for id in ids]


async def test_a_group_gets_a_slug_and_members(scim: Scim) -> None:
    ada, bob = await people(scim, 2)
    wanted = {"schemas": [GROUP], "displayName": "L3 Économie", "externalId": "g1"}
    answer = await scim.call("POST", "/Groups", {**wanted, "members": values([ada, bob])})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert {name: made[name] for name in wanted} == wanted
    base = "http://127.0.0.1:8000/scim/v2"
    assert made["members"][0] == {"value": ada, "$ref": f"{base}/Users/{ada}", "type": "User"}
    assert answer.headers["location"] == f"{base}/Groups/{made['id']}"
    stored = await scim.service.service.people.groups.find_named("l3-economie")
    assert str(stored.id) == made["id"]
    other = await scim.create("/Groups", {"displayName": "L3 économie"})
    assert (await scim.service.service.people.groups.find_named("l3-economie-2")) is not None
    assert other["displayName"] == "L3 économie"
    assert await scim.refused("POST", "/Groups", wanted) == (409, "uniqueness")
    shown = await scim.get(f"/Users/{ada}")
    assert [each["value"] for each in shown["groups"]] == [made["id"]]
    assert "members" not in await scim.get(f"/Groups/{made['id']}?excludedAttributes=members")


async def test_entra_and_okta_change_members(scim: Scim) -> None:
    a, b, c, d = await people(scim, 4)
    made = await scim.create("/Groups", {"displayName": "G", "members": values([a])})
    id, path = made["id"], f"/Groups/{made['id']}"
    await scim.patch(path, {"op": "Add", "path": "members", "value": values([b, c])})
    assert await members(scim, id) == [a, b, c]
    await scim.patch(path, {"op": "Remove", "path": "members", "value": values([a])})
    await scim.patch(path, {"op": "remove", "path": f'members[value eq "{b}"]'})
    assert await members(scim, id) == [c]
    # Okta renames by a value that repeats the id, and leaves the members alone.
    renamed = {"id": id, "displayName": "H"}
    assert await scim.patch(path, {"op": "replace", "value": renamed}) is None
    assert await members(scim, id) == [c]
    assert (await scim.get(path))["displayName"] == "H"
    await scim.patch(path, {"op": "replace", "value": {"members": values([a, d])}})
    assert await members(scim, id) == [a, d]
    several = f'members[value eq "{a}" or value eq "{d}"]'
    await scim.patch(
        path,
        {"op": "remove", "path": several},
        {"op": "add", "path": f"{GROUP}:members", "value": {"value": d}},
    )
    assert await members(scim, id) == [d]
    await scim.patch(path, {"op": "replace", "path": "members", "value": []})
    assert await members(scim, id) == []
    await scim.patch(path, {"op": "add", "path": "members", "value": values([a, b])})
    await scim.patch(path, {"op": "remove", "path": "members"})
    assert await members(scim, id) == []
    entries = (await scim.service.get("/v1/audit", target=f"group:{id}"))["items"]
    assert {entry["actor"] for entry in entries} == {scim.key["Authorization"].split("_")[1]}
    assert {"group.created", "group.joined", "group.left", "group.changed"} == {
        entry["action"] for entry in entries
    }


async def test_groups_are_members(scim: Scim) -> None:
    [ada] = await people(scim, 1)
    inner = await scim.create("/Groups", {"displayName": "Inner", "members": values([ada])})
    outer = await scim.create("/Groups", {"displayName": "Outer"})
    path = f"/Groups/{outer['id']}"
    both = values([inner["id"], ada])
    await scim.patch(path, {"op": "add", "path": "members", "value": both})
    shown = {each["value"]: each["type"] for each in (await scim.get(path))["members"]}
    assert shown == {inner["id"]: "Group", ada: "User"}
    cycle = {"op": "add", "path": "members", "value": values([outer["id"]])}
    body = {"schemas": [PATCH], "Operations": [cycle]}
    assert await scim.refused("PATCH", f"/Groups/{inner['id']}", body) == (409, None)
    await scim.patch(path, {"op": "remove", "path": f'members[value eq "{inner["id"]}"]'})
    assert await members(scim, outer["id"]) == [ada]


async def test_put_and_delete(scim: Scim) -> None:
    ada, bob = await people(scim, 2)
    wanted = {"displayName": "G", "externalId": "g1", "members": values([ada])}
    made = await scim.create("/Groups", wanted)
    path = f"/Groups/{made['id']}"
    replaced = {"schemas": [GROUP], "displayName": "G2", "members": values([bob])}
    answer = await scim.call("PUT", path, replaced, if_match=made["meta"]["version"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["displayName"] == "G2"
    assert "externalId" not in answer.json()
    assert await members(scim, made["id"]) == [bob]
    assert await scim.refused("PUT", path, replaced, if_match=made["meta"]["version"]) == (
        412,
        None,
    )
    version = answer.headers["etag"]
    assert (await scim.call("GET", path, if_none_match=version)).status_code == 304
    assert (await scim.call("DELETE", path)).status_code == 204
    assert await scim.refused("GET", path) == (404, None)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "add", "path": "members", "value": [{"value": "nobody"}]}, "invalidValue"),
        ({"op": "add", "path": "members", "value": [{"value": str(uuid4())}]}, "invalidValue"),
        ({"op": "add", "path": "members", "value": [{"display": "Ada"}]}, "invalidValue"),
        ({"op": "add", "path": "members", "value": [[]]}, "invalidValue"),
        ({"op": "add", "path": "members[", "value": []}, "invalidPath"),
        ({"op": "replace", "path": 'members[value eq "x"]', "value": []}, "invalidValue"),
        ({"op": "remove", "path": 'members[type eq "User"]'}, "invalidFilter"),
        ({"op": "remove", "path": 'members[not (value eq "x")]'}, "invalidFilter"),
        ({"op": "remove", "path": "displayName"}, "mutability"),
        ({"op": "destroy", "path": "members", "value": []}, "invalidValue"),
    ],
)
async def test_a_bad_patch_changes_nothing(
    scim: Scim, operation: dict[str, Any], expected: str
) -> None:
    [ada] = await people(scim, 1)
    made = await scim.create("/Groups", {"displayName": "G", "members": values([ada])})
    operations = [{"op": "replace", "path": "displayName", "value": "changed"}, operation]
    body = {"schemas": [PATCH], "Operations": operations}
    assert await scim.refused("PATCH", f"/Groups/{made['id']}", body) == (400, expected)
    assert await scim.get(f"/Groups/{made['id']}") == made
