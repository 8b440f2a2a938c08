"""People whom the campus directory pushes by SCIM."""

from typing import Any
from uuid import UUID

import pytest

from flashnotify.domain import Role
from flashnotify.errors import NotAuthenticated
from tests.support.people import add_user
from tests.support.running import Running
from tests.support.scim import ADA, ENTERPRISE, PATCH, USER, Scim, scim_of


@pytest.fixture
async def scim(service: Running) -> Scim:
    return await scim_of(service)


async def user(scim: Scim, id: str) -> Any:
    return await scim.service.get(f"/v1/users/{id}")


async def test_a_new_user_is_a_member_whatever_the_client_says(scim: Scim) -> None:
    wanted = {
        **ADA,
        "displayName": "Ada L.",
        "active": True,
        "preferredLanguage": "fr-FR",
        "timezone": "Europe/Paris",
        "title": "Professor",
        "phoneNumbers": [
            {"value": "+33 1 44 27 44 27", "type": "work"},
            {"value": "+33 6 12 34 56 78", "type": "mobile"},
        ],
        "password": "t0p-s3cret-of-Okta",
        "roles": [{"value": "admin", "primary": True}],
        "entitlements": [{"value": "notify:*"}],
        "kinds": ["security"],
        "groups": [{"value": "01a204ab-133f-7000-95d3-66f8d33980d8"}],
        "meta": {"resourceType": "User"},
        ENTERPRISE: {"department": "Mathematics", "employeeNumber": "1815", "manager": "42"},
    }
    answer = await scim.call("POST", "/Users", wanted)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["location"] == made["meta"]["location"]
    assert answer.headers["location"] == f"http://127.0.0.1:8000/scim/v2/Users/{made['id']}"
    assert answer.headers["etag"] == made["meta"]["version"]
    for name in ("userName", "externalId", "name", "displayName", "emails", "phoneNumbers"):
        assert made[name] == wanted[name], name
    assert made[ENTERPRISE]["manager"] == {"value": "42"}
    assert {"password", "roles", "entitlements", "groups"}.isdisjoint(made)
    stored = await user(scim, made["id"])
    assert stored["role"] == "member"
    assert stored["kinds"] == []
    assert stored["has_password"] is False
    assert stored["external_id"] == "7f1c"
    assert stored["name"] == "Ada L."
    assert stored["email"] == "ada.lovelace@univ.example"
    assert stored["phone"] == "+33612345678"
    assert stored["locale"] == "fr-FR"
    assert stored["timezone"] == "Europe/Paris"
    assert stored["attributes"]["department"] == "Mathematics"
    assert stored["attributes"]["title"] == "Professor"


async def test_what_cannot_be_used_is_kept_and_shown(scim: Scim) -> None:
    wanted = {
        **ADA,
        "phoneNumbers": [{"value": "ext. 27", "type": "work"}],
        "timezone": "Mars/Olympus",
        "preferredLanguage": "français",
    }
    made = await scim.create("/Users", wanted)
    for name in ("phoneNumbers", "timezone", "preferredLanguage"):
        assert made[name] == wanted[name], name
    stored = await user(scim, made["id"])
    assert [stored[name] for name in ("phone", "timezone", "locale")] == [None] * 3


async def test_a_change_made_elsewhere_wins_over_what_was_kept(scim: Scim) -> None:
    emails = [{"value": "a@univ.example", "type": "home"}, {"value": "b@univ.example"}]
    names = {"givenName": "Ada", "formatted": "Lady Lovelace"}
    made = await scim.create("/Users", {**ADA, "emails": emails, "name": names})
    assert made["emails"] == emails
    change = {"email": "c@univ.example"}
    changed = await scim.service.http.patch(f"/v1/users/{made['id']}", json=change)
    assert changed.status_code == 200
    shown = await scim.get(f"/Users/{made['id']}")
    assert shown["emails"] == [{"value": "c@univ.example", "type": "work", "primary": True}]
    assert shown["name"] == names


async def test_names_are_unique(scim: Scim) -> None:
    await scim.create("/Users", ADA)
    for other in (
        {"userName": "ADA@univ.example"},
        {"userName": "x", "externalId": "7f1c"},
        {"userName": "x", "emails": ADA["emails"]},
    ):
        body = {"schemas": [USER], **other}
        assert await scim.refused("POST", "/Users", body) == (409, "uniqueness")
    bob = await scim.create("/Users", {"schemas": [USER], "userName": "bob"})
    rename = {
        "schemas": [PATCH],
        "Operations": [{"op": "replace", "value": {"userName": "ada@univ.example"}}],
    }
    assert await scim.refused("PATCH", f"/Users/{bob['id']}", rename) == (409, "uniqueness")


async def test_a_user_by_other_ways_is_known_by_their_address(scim: Scim) -> None:
    grace = await add_user(scim.service.service, email="grace@univ.example")
    assert await scim.found("Users", 'userName eq "GRACE@univ.example"') == ["grace@univ.example"]
    operation = {"op": "replace", "path": "displayName", "value": "Grace Hopper"}
    assert (await scim.patch(f"/Users/{grace.id}", operation))["displayName"] == "Grace Hopper"
    stored = await user(scim, str(grace.id))
    assert (stored["role"], stored["kinds"]) == ("sender", ["academic"])
    assert stored["has_password"] is True


async def test_put_replaces(scim: Scim) -> None:
    made = await scim.create(
        "/Users", {**ADA, "title": "Professor", ENTERPRISE: {"department": "Maths"}}
    )
    path = f"/Users/{made['id']}"
    renamed = {"schemas": [USER], "userName": "countess", "displayName": "Countess"}
    answer = await scim.call("PUT", path, renamed)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown == await scim.get(path)
    assert {"emails", "externalId", "title", "name", ENTERPRISE}.isdisjoint(shown)
    assert shown["active"] is True
    stored = await user(scim, made["id"])
    assert (stored["email"], stored["name"]) == (None, "Countess")
    assert {"title", "department"}.isdisjoint(stored["attributes"])
    assert await scim.refused("PUT", path, {"schemas": [USER]}) == (400, "invalidValue")


async def test_delete_hides_a_user_whom_a_post_brings_back_as_new(scim: Scim) -> None:
    made = await scim.create("/Users", ADA)
    id, path = UUID(made["id"]), f"/Users/{made['id']}"
    group = await scim.create("/Groups", {"displayName": "L3", "members": [{"value": made["id"]}]})
    users = scim.service.service.identity.users
    await scim.service.http.patch(f"/v1/users/{id}", json={"role": "sender", "kinds": ["weather"]})
    assert (await scim.call("DELETE", path)).status_code == 204
    for method in ("GET", "DELETE"):
        assert await scim.refused(method, path) == (404, None)
    assert await scim.refused("PUT", path, ADA) == (404, None)
    assert await scim.found("Users", 'userName eq "ada@univ.example"') == []
    assert "members" not in await scim.get(f"/Groups/{group['id']}")
    stored = await users.find(id)
    assert not stored.active
    again = await scim.create("/Users", {**ADA, "userName": "ada2"})
    assert again["id"] == made["id"]
    stored = await users.find(id)
    assert (stored.active, stored.role, stored.kinds) == (True, Role.member, frozenset())


async def test_only_an_admin_brings_back_an_admin(scim: Scim) -> None:
    grace = await add_user(
        scim.service.service, Role.admin, email="grace@univ.example", external_id="g1"
    )
    await add_user(scim.service.service, Role.admin, email="root@univ.example")
    assert (await scim.call("DELETE", f"/Users/{grace.id}")).status_code == 204
    new = {"schemas": [USER], "userName": "mallory", "externalId": "g1"}
    # Whoever may make members of admins could also erase them.
    assert await scim.refused("POST", "/Users", new) == (403, None)
    kept = await scim.service.service.identity.users.find(grace.id)
    assert (kept.role, kept.active, kept.email) == (Role.admin, False, "grace@univ.example")


async def test_names_of_deleted_users_are_free(scim: Scim) -> None:
    made = await scim.create("/Users", ADA)
    assert (await scim.call("DELETE", f"/Users/{made['id']}")).status_code == 204
    bob = await scim.create("/Users", {"schemas": [USER], "userName": "bob"})
    shown = await scim.patch(
        f"/Users/{bob['id']}", {"op": "add", "value": {"emails": ADA["emails"]}}
    )
    assert shown["emails"] == ADA["emails"]


async def test_whom_an_admin_activates_is_there_again(scim: Scim) -> None:
    made = await scim.create("/Users", ADA)
    path = f"/Users/{made['id']}"
    await scim.call("DELETE", path)
    answer = await scim.service.http.post(f"/v1/users/{made['id']}/activate")
    assert answer.status_code == 200
    assert (await scim.get(path))["active"] is True


@pytest.mark.parametrize("value", [False, "False", "false"])
async def test_a_deactivated_user_is_signed_out_at_once(scim: Scim, value: Any) -> None:
    made = await scim.create("/Users", ADA)
    service = scim.service.service
    sessions, id = service.identity.sessions, UUID(made["id"])
    cookie = await sessions.begin(await service.identity.users.find(id), None, None)
    await sessions.authenticate(cookie)
    operation = {"op": "Replace", "path": "active", "value": value}
    assert (await scim.patch(f"/Users/{id}", operation))["active"] is False
    with pytest.raises(NotAuthenticated):
        await sessions.authenticate(cookie)
    operation = {"op": "Replace", "path": "active", "value": "True"}
    assert (await scim.patch(f"/Users/{id}", operation))["active"] is True


async def test_each_change_is_audited_with_the_key(scim: Scim) -> None:
    made = await scim.create("/Users", ADA)
    await scim.patch(f"/Users/{made['id']}", {"op": "replace", "path": "title", "value": "Dr"})
    await scim.call("DELETE", f"/Users/{made['id']}")
    entries = (await scim.service.get("/v1/audit", target=f"user:{made['id']}"))["items"]
    assert [entry["action"] for entry in entries] == [
        "user.changed",
        "user.changed",
        "user.created",
    ]
    assert {entry["actor"] for entry in entries} == {scim.key["Authorization"].split("_")[1]}
    assert entries[1]["details"] == {"fields": ["attributes"]}
    assert "ada" not in str(entries).lower()


ENTRA_UPDATE = (
    {"op": "Replace", "path": "displayName", "value": "Ada King"},
    {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+33612345678"},
    {"op": "Add", "path": 'phoneNumbers[type eq "work"].value', "value": "+33144274427"},
    {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "king@univ.example"},
    {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Maths"},
    {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "42"},
    {"op": "Add", "path": 'roles[primary eq "True"].value', "value": "admin"},
    {"op": "Add", "path": "urn:ietf:params:scim:schemas:extension:own:2.0:User:x", "value": "y"},
)


async def test_entra_creates_and_updates(scim: Scim) -> None:
    """Read the requests that Entra ID makes, in the order in which it makes them."""
    assert await scim.found("Users", 'userName eq "ada@univ.example"') == []
    made = await scim.create("/Users", {**ADA, "active": "True", "displayName": "Ada"})
    shown = await scim.patch(f"/Users/{made['id']}", *ENTRA_UPDATE)
    assert shown["displayName"] == "Ada King"
    stored = await user(scim, made["id"])
    assert (stored["phone"], stored["email"]) == ("+33612345678", "king@univ.example")
    assert stored["attributes"]["department"] == "Maths"
    assert stored["role"] == "member"
    # A path-less operation with the paths as names.
    value = {"name.givenName": "Augusta", "active": "False", f"{ENTERPRISE}:division": "B"}
    shown = await scim.patch(f"/Users/{made['id']}", {"op": "replace", "value": value})
    assert (shown["name"]["givenName"], shown["active"]) == ("Augusta", False)
    assert shown[ENTERPRISE] == {"department": "Maths", "division": "B", "manager": {"value": "42"}}
    removed = {"op": "Remove", "path": 'phoneNumbers[type eq "mobile"]'}
    shown = await scim.patch(f"/Users/{made['id']}", removed)
    assert shown["phoneNumbers"] == [{"value": "+33144274427", "type": "work"}]
    found = await scim.get('/Users?filter=externalId eq "7f1c"&attributes=id,active')
    assert found["Resources"] == [{"schemas": shown["schemas"], "id": made["id"], "active": False}]


async def test_okta_creates_and_deactivates(scim: Scim) -> None:
    page = await scim.get('/Users?filter=userName eq "ada@univ.example"&startIndex=1&count=100')
    assert (page["totalResults"], page["startIndex"], page["Resources"]) == (0, 1, [])
    made = await scim.create("/Users", {**ADA, "groups": [], "password": "x", "locale": "en-US"})
    got = await scim.get(f"/Users/{made['id']}")
    answer = await scim.call("PUT", f"/Users/{made['id']}", {**got, "nickName": "A"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["nickName"] == "A"
    assert answer.json()["locale"] == "en-US"
    shown = await scim.patch(f"/Users/{made['id']}", {"op": "replace", "value": {"active": False}})
    assert shown["active"] is False


async def test_versions_guard_changes(scim: Scim) -> None:
    made = await scim.create("/Users", ADA)
    path, version = f"/Users/{made['id']}", made["meta"]["version"]
    unchanged = await scim.call("GET", path, if_none_match=version)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    answer = await scim.call("PUT", path, {**ADA, "title": "Dr"}, if_match=version)
    assert answer.status_code == 200
    assert answer.headers["etag"] != version
    for method, body in (("PUT", ADA), ("DELETE", None)):
        assert await scim.refused(method, path, body, if_match=version) == (412, None)
    assert (await scim.call("DELETE", path, if_match=answer.headers["etag"])).status_code == 204


async def test_no_key_of_people_takes_over_who_may_more_than_look(scim: Scim) -> None:
    admin = await add_user(scim.service.service, Role.admin, email="root@univ.example")
    path = f"/Users/{admin.id}"
    for value in ({"emails": [{"value": "evil@univ.example"}]}, {"externalId": "evil"}):
        body = {"schemas": [PATCH], "Operations": [{"op": "replace", "value": value}]}
        assert await scim.refused("PATCH", path, body) == (403, None)
    by_admin = Scim(scim.service, await scim.service.key("admin"))
    shown = await by_admin.patch(path, {"op": "replace", "value": {"externalId": "7"}})
    assert shown["externalId"] == "7"
    # The last admin stays one.
    body = {"schemas": [PATCH], "Operations": [{"op": "replace", "value": {"active": False}}]}
    assert await scim.refused("PATCH", path, body) == (409, None)
    assert await scim.refused("DELETE", path) == (409, None)


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([], (400, "invalidValue")),
        ("x", (400, "invalidSyntax")),
        ([1], (400, "invalidSyntax")),
        ([{"op": "destroy", "path": "title"}], (400, "invalidValue")),
        ([{"op": "add", "path": "title"}], (400, "invalidValue")),
        ([{"op": "remove"}], (400, "noTarget")),
        ([{"op": "remove", "path": "userName"}], (400, "mutability")),
        ([{"op": "replace", "path": "id", "value": "x"}], (400, "mutability")),
        ([{"op": "replace", "path": "title[", "value": "x"}], (400, "invalidPath")),
        ([{"op": "replace", "path": "x" * 501, "value": "x"}], (400, "invalidPath")),
        ([{"op": "replace", "path": 5, "value": "x"}], (400, "invalidValue")),
        ([{"op": "replace", "path": "active", "value": "perhaps"}], (400, "invalidValue")),
        ([{"op": "replace", "path": "emails", "value": "x"}], (400, "invalidValue")),
        ([{"op": "add", "path": "emails", "value": [{"value": "a@b"}]}], (400, "invalidValue")),
        ([{"op": "replace", "path": "title", "value": "x" * 5000}], (400, "invalidValue")),
        ([{"op": "add", "path": "title", "value": "x"}] * 1001, (413, "tooMany")),
    ],
)
async def test_a_bad_patch_changes_nothing(
    scim: Scim, operations: Any, expected: tuple[int, str]
) -> None:
    made = await scim.create("/Users", ADA)
    if isinstance(operations, list) and operations and operations[0] != 1:
        operations = [{"op": "replace", "path": "nickName", "value": "no"}, *operations]
    body = {"schemas": [PATCH], "Operations": operations}
    assert await scim.refused("PATCH", f"/Users/{made['id']}", body) == expected
    assert await scim.get(f"/Users/{made['id']}") == made


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "invalidValue")),
        ({"userName": ""}, (400, "invalidValue")),
        ({"userName": "x" * 201}, (400, "invalidValue")),
        ({"userName": "a\nb"}, (400, "invalidValue")),
        ({"userName": ["a"]}, (400, "invalidValue")),
        ({"userName": "a", "emails": [{"value": "nobody"}]}, (400, "invalidValue")),
        ({"userName": "a", "name": "Ada"}, (400, "invalidValue")),
        ({"userName": "a", "displayName": "x" * 300}, (400, "invalidValue")),
        ({"userName": "a", ENTERPRISE: "x"}, (400, "invalidValue")),
        ({"userName": "a", ENTERPRISE: {"department": "é" * 3000}}, (400, "invalidValue")),
        ([], (400, "invalidSyntax")),
        ("x", (400, "invalidSyntax")),
    ],
)
async def test_a_bad_user_is_refused(scim: Scim, body: Any, expected: tuple[int, str]) -> None:
    assert await scim.refused("POST", "/Users", body) == expected
