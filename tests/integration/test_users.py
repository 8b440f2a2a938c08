"""`/v1/users`, and how people change their own password."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Collection
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest

from flashnotify.api.auth import Authentication
from flashnotify.archive.identity_records import User
from flashnotify.errors import NotAuthenticated
from flashnotify.identity.audit import Actor
from flashnotify.identity.principal import Principal
from flashnotify.identity.roles import user_principal
from tests.integration import wrong_requests
from tests.support.loop_turns import some_turns
from tests.support.manual_clock import ManualClock
from tests.support.passwords import GOOD
from tests.support.running import Running

ADA: dict[str, Any] = {
    "name": "Ada Lovelace",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "role": "sender",
    "email": "Ada@UNIV.example",
    "phone": "+33 6 12 34 56 78",
    "external_id": "etu1",
    "locale": "fr",
    "timezone": "Europe/Paris",
    "kinds": ["weather", "academic"],
    "attributes": {"campus": "Nord"},
}
OTHER = "orange kettle drum 48"


async def create(service: Running, **changes: Any) -> Any:
    answer = await service.http.post("/v1/users", json=ADA | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


def admin(number: int) -> dict[str, Any]:
    return {
        "name": "Admin",
        "role": "admin",
        "email": f"admin{number}@univ.example",
        "external_id": None,
        "kinds": [],
    }


def audited(service: Running) -> list[tuple[str, str, str, Any]]:
    """Return actor, action, target and details of the entries of the audit log."""
    with closing(sqlite3.connect(service.service.config.archive_file)) as archive:
        rows = archive.execute("SELECT actor, action, target, details FROM audit ORDER BY number")
        return [
            (actor, action, target, json.loads(details)) for actor, action, target, details in rows
        ]


async def test_a_user_is_created_shown_and_listed(service: Running, clock: ManualClock) -> None:
    answer = await service.http.post("/v1/users", json=ADA)
    user = answer.json()
    assert answer.headers["Location"] == f"/v1/users/{user['id']}"
    expected = {
        **ADA,
        "email": "Ada@univ.example",
        "phone": "+33612345678",
        "kinds": ["academic", "weather"],
        "active": True,
        "has_password": False,
        "last_seen_at": None,
    }
    assert {name: user[name] for name in expected} == expected
    assert user.keys() - expected.keys() == {"id", "created_at"}
    assert await service.get(f"/v1/users/{user['id']}") == user
    bob = await create(service, name="Bob", email=None, external_id="etu2", role="viewer", kinds=[])
    assert await service.get("/v1/users") == {"items": [bob, user], "next": None}
    assert (await service.get("/v1/users", search="ada@univ"))["items"] == [user]
    assert (await service.get("/v1/users", role="viewer"))["items"] == [bob]
    assert (await service.get("/v1/users", active=False))["items"] == []
    first = await service.get("/v1/users", limit=1)
    assert first["items"] == [bob]
    rest = await service.get("/v1/users", limit=1, cursor=first["next"])
    assert rest == {"items": [user], "next": None}


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    wrong_requests.USERS,
)
async def test_what_is_wrong_is_refused_by_name(
    service: Running, changes: dict[str, Any], pointer: str, code: str
) -> None:
    for method, path, body in (
        ("POST", "/v1/users", ADA | changes),
        ("PATCH", f"/v1/users/{UUID(int=7)}", changes),
    ):
        answer = await service.http.request(method, path, json=body)
        assert answer.status_code == 422, answer.text
        found = [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
        if method == "PATCH" and pointer == "/password":
            code = "unknown_field"
        assert found == [(pointer, code)]
    assert (await service.get("/v1/users"))["items"] == []


@pytest.mark.parametrize(
    ("name", "value"), [("email", "ADA@univ.example"), ("external_id", "etu1")]
)
async def test_what_is_taken_is_a_conflict(service: Running, name: str, value: str) -> None:
    ada = await create(service)
    bob = await create(service, email="bob@univ.example", external_id="etu2")
    other = {"email": "eve@univ.example", "external_id": "etu3"}
    for answer in (
        await service.http.post("/v1/users", json=ADA | other | {name: value}),
        await service.http.patch(f"/v1/users/{bob['id']}", json={name: value}),
    ):
        assert answer.status_code == 409
        assert answer.json()["code"] == "already_taken"
        assert answer.json()["errors"] == [
            {
                "pointer": f"/{name}",
                "code": "already_taken",
                "detail": f"belongs to the user {ada['id']}",
            }
        ]
    # Their own stays theirs.
    assert (await service.http.patch(f"/v1/users/{ada['id']}", json={name: value})).is_success


async def test_numbers_that_cannot_be_stored_are_refused(service: Running) -> None:
    body = b'{"name": "Ada", "role": "viewer", "attributes": {"x": [1e999]}}'
    headers = {"Content-Type": "application/json"}
    answer = await service.http.post("/v1/users", content=body, headers=headers)
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
        ("/attributes", "out_of_range")
    ]


async def test_a_change_leaves_what_is_absent(service: Running) -> None:
    ada = await create(service)
    path = f"/v1/users/{ada['id']}"
    changed = (await service.http.patch(path, json={"phone": None, "kinds": []})).json()
    assert changed == ada | {"phone": None, "kinds": []}
    assert (await service.http.patch(path, json={})).json() == changed


async def test_nothing_is_known_of_a_user_who_does_not_exist(service: Running) -> None:
    path = f"/v1/users/{UUID(int=7)}"
    for answer in (
        await service.http.get(path),
        await service.http.patch(path, json={"name": "Eve"}),
        await service.http.post(f"{path}/deactivate"),
        await service.http.put(f"{path}/password", json={"password": GOOD}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_last_admin_stays(service: Running) -> None:
    first, second = await create(service, **admin(1)), await create(service, **admin(2))
    assert (await service.http.post(f"/v1/users/{second['id']}/deactivate")).is_success
    for answer in (
        await service.http.post(f"/v1/users/{first['id']}/deactivate"),
        await service.http.patch(f"/v1/users/{first['id']}", json={"role": "viewer"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert (await service.http.post(f"/v1/users/{second['id']}/activate")).json() == second
    assert (
        await service.http.patch(f"/v1/users/{first['id']}", json={"role": "viewer"})
    ).is_success


async def test_two_admins_cannot_demote_each_other_at_once(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = service.service.archive.users
    count = stored.admins

    async def count_slowly() -> int:
        number = await count()
        await some_turns()
        return number

    monkeypatch.setattr(stored, "admins", count_slowly)
    admins = [await create(service, **admin(number)) for number in (1, 2)]
    paths = [f"/v1/users/{each['id']}" for each in admins]
    answers = await asyncio.gather(
        *(service.http.patch(path, json={"role": "viewer"}) for path in paths)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_listeners_hear_of_a_change_whose_caller_has_gone(service: Running) -> None:
    ada, users = await create(service), service.service.identity.users
    told: asyncio.Queue[Collection[User]] = asyncio.Queue()
    users.on_change(told.put_nowait)
    changing = asyncio.create_task(users.set_active(Actor("local"), UUID(ada["id"]), False))
    await asyncio.sleep(0)
    changing.cancel()
    [user] = await told.get()
    assert not user.active


async def test_a_change_that_matters_ends_what_began_before(
    service: Running, clock: ManualClock
) -> None:
    ada = await create(service)
    path, id = f"/v1/users/{ada['id']}", UUID(ada["id"])
    users = service.service.identity.users
    told: list[User] = []
    users.on_change(told.extend)

    async def ends(method: str, path: str, body: Any = None) -> bool:
        before = (await users.find(id)).credentials_changed_at
        await clock.advance(1)
        assert (await service.http.request(method, path, json=body)).is_success
        after = await users.find(id)
        assert told[-1] == after
        assert after.credentials_changed_at in (before, clock.now())
        return after.credentials_changed_at > before

    assert not await ends("PATCH", path, {"name": "Ada"})
    assert await ends("PATCH", path, {"role": "viewer"})
    assert await ends("PATCH", path, {"kinds": []})
    assert await ends("PATCH", path, {"email": "other@univ.example"})
    assert await ends("PUT", f"{path}/password", {"password": GOOD})
    assert await ends("POST", f"{path}/deactivate")
    assert not await ends("POST", f"{path}/activate")
    # Also if the clock goes back.
    clock.step(-3600)
    before = (await users.find(id)).credentials_changed_at
    await service.http.patch(path, json={"role": "sender"})
    assert (await users.find(id)).credentials_changed_at > before


async def test_changes_are_audited_without_what_is_personal(service: Running) -> None:
    ada = await create(service, password=GOOD)
    path, target = f"/v1/users/{ada['id']}", f"user:{ada['id']}"
    await service.http.patch(path, json={"name": "Augusta", "role": "viewer"})
    await service.http.patch(path, json={"name": "Augusta"})
    await service.http.post(f"{path}/deactivate")
    await service.http.put(f"{path}/password", json={"password": OTHER})
    created, changed, deactivated, password = audited(service)
    assert created == (
        *("local", "user.created", target),
        {"fields": sorted(ADA), "role": "sender", "kinds": ["academic", "weather"]},
    )
    role = ["sender", "viewer"]
    assert changed == ("local", "user.changed", target, {"fields": ["name", "role"], "role": role})
    active = {"fields": ["active"], "active": [True, False]}
    assert deactivated == ("local", "user.deactivated", target, active)
    assert password == ("local", "password.changed", target, {"fields": ["password_hash"]})


async def test_users_need_the_scope_admin(service: Running) -> None:
    for scope in ("read", "notify:*", "devices"):
        answer = await service.anonymous.get("/v1/users", headers=await service.key(scope))
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


@pytest.fixture
def acting_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[Principal], None]:
    """Return a function after which requests are those of a principal."""

    def act(principal: Principal) -> None:
        async def authenticate(*_: object) -> Principal:
            return principal

        monkeypatch.setattr(Authentication, "authenticate", authenticate)

    return act


async def test_people_change_their_own_password(
    service: Running, acting_as: Callable[[Principal], None]
) -> None:
    ada = await create(service, password=GOOD)
    identity = service.service.identity
    acting_as(user_principal(await identity.users.find(UUID(ada["id"]))))
    change = {"current": GOOD, "new": OTHER}
    assert (await service.anonymous.post("/v1/auth/password", json=change)).status_code == 204
    assert str((await identity.sign_in.with_password("etu1", OTHER, None)).id) == ada["id"]
    with pytest.raises(NotAuthenticated):
        await identity.sign_in.with_password("etu1", GOOD, None)
    weak = await service.anonymous.post(
        "/v1/auth/password", json={"current": OTHER, "new": "password1234"}
    )
    assert [(e["pointer"], e["code"]) for e in weak.json()["errors"]] == [("/new", "weak_password")]


async def test_guesses_of_the_current_password_are_delayed(
    service: Running, acting_as: Callable[[Principal], None]
) -> None:
    ada = await create(service, password=GOOD)
    acting_as(user_principal(await service.service.identity.users.find(UUID(ada["id"]))))
    change = {"current": "wrong", "new": OTHER}
    answers = [await service.anonymous.post("/v1/auth/password", json=change) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [422] * 5 + [429]
    assert answers[0].json()["errors"][0]["code"] == "wrong_password"
    assert answers[-1].headers["Retry-After"] == "1"


async def test_a_key_has_no_password(service: Running) -> None:
    headers = await service.key("admin")
    change = {"current": GOOD, "new": OTHER}
    answer = await service.anonymous.post("/v1/auth/password", json=change, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_a_user")
