"""Tokens over HTTP: sign in, refresh, revoke, who am I; and what ends them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from structlog.testing import capture_logs

from flashnotify.app import Service
from flashnotify.archive.identity_records import AuditFilter, User
from flashnotify.domain import Role
from flashnotify.identity.audit import Actor
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.people import GOOD, add_user, change_user
from tests.support.running import ACADEMIC, Running, running

Tokens = dict[str, Any]
MINUTE, DAY = 60, 24 * 3600


@pytest.fixture
async def service(clock: ManualClock) -> AsyncIterator[Running]:
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        yield service


@pytest.fixture
async def ada(service: Running) -> User:
    return await add_user(service.service)


async def ask(service: Running, **form: str) -> httpx.Response:
    return await service.anonymous.post("/v1/auth/token", data=form)


async def sign_in(service: Running, **more: str) -> Tokens:
    form = {"grant_type": "password", "username": "ada@univ.example", "password": GOOD}
    answer = await ask(service, **form, **more)
    assert answer.status_code == 200, answer.text
    found: Tokens = answer.json()
    return found


async def refresh(service: Running, tokens: Tokens, **more: str) -> httpx.Response:
    token = tokens["refresh_token"]
    return await ask(service, grant_type="refresh_token", refresh_token=token, **more)


async def me(service: Running, tokens: Tokens) -> httpx.Response:
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return await service.anonymous.get("/v1/auth/me", headers=headers)


async def revoke(service: Running, token: str) -> httpx.Response:
    return await service.anonymous.post("/v1/auth/revoke", data={"token": token})


async def actions(service: Running) -> list[str]:
    page = await service.service.archive.audit.page(AuditFilter(), limit=200, cursor=None)
    return [entry.action for entry in reversed(page.items)][1:]


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_password_gets_tokens_that_send(service: Running, ada: User) -> None:
    answer = await ask(service, grant_type="password", username="ada@univ.example", password=GOOD)
    tokens = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert tokens.keys() == {
        "access_token", "refresh_token", "token_type", "expires_in", "scope"
    }  # fmt: skip
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    assert tokens["scope"] == "notify:academic read"
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    sent = await service.anonymous.post("/v1/notifications", json=ACADEMIC, headers=headers)
    assert sent.status_code == 202
    assert sent.headers["x-ratelimit-limit"]
    assert (await me(service, tokens)).json() == {
        "id": f"user:{ada.id}",
        "name": "Ada Lovelace",
        "role": "sender",
        "scopes": ["notify:academic", "read"],
        "max_priority": "high",
        "proof": "token",
        "expires_at": "2027-01-15T08:15:00Z",
    }
    assert await actions(service) == ["token.issued"]


async def test_json_is_taken_too(service: Running, ada: User) -> None:
    wanted = {"grant_type": "password", "username": "ada@univ.example", "password": GOOD}
    answer = await service.anonymous.post("/v1/auth/token", json=wanted)
    assert answer.status_code == 200
    again = {"grant_type": "refresh_token", "refresh_token": answer.json()["refresh_token"]}
    assert (await service.anonymous.post("/v1/auth/token", json=again)).status_code == 200


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "implicit"}, 400, "unsupported_grant_type"),
        ({"grant_type": "password", "username": "ada@univ.example"}, 400, "invalid_request"),
        ({"password": GOOD + "x"}, 400, "invalid_grant"),
        ({"username": "bob@univ.example"}, 400, "invalid_grant"),
        ({"role": "admin"}, 400, "invalid_request"),
        ({"scope": "admin"}, 400, "invalid_scope"),
        ({"scope": "read notify:security"}, 400, "invalid_scope"),
        ({"scope": 'x"y'}, 400, "invalid_request"),
        ({"grant_type": "refresh_token"}, 400, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_secret": "x"}, 401, "invalid_client"),
    ],
)
async def test_a_wrong_request_is_refused(
    service: Running, ada: User, form: dict[str, str], status: int, code: str
) -> None:
    """With the errors of RFC 6749, section 5.2."""
    good = {"grant_type": "password", "username": "ada@univ.example", "password": GOOD}
    answer = await ask(service, **(form if "grant_type" in form else good | form))
    refused(answer, status, code)
    assert answer.json()["error"] == code
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert GOOD not in answer.text
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=password&username=a&username=b&password=c",
        b"grant_type=password&username=%FF&password=c",
        b"&".join(b"a%d=1" % number for number in range(30)),
    ],
)
async def test_a_malformed_form_is_refused(service: Running, body: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await service.anonymous.post("/v1/auth/token", content=body, headers=headers)
    refused(answer, 400, "invalid_request")


async def test_credentials_in_the_query_are_refused(service: Running) -> None:
    answer = await service.anonymous.post("/v1/auth/token?grant_type=password&username=a")
    refused(answer, 422, "invalid_input")


async def test_scopes_can_be_narrowed_and_stay_so(service: Running, ada: User) -> None:
    tokens = await sign_in(service, scope="read")
    assert (await me(service, tokens)).json()["scopes"] == ["read"]
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    sent = await service.anonymous.post("/v1/notifications", json=ACADEMIC, headers=headers)
    refused(sent, 403, "missing_scope")
    refused(await refresh(service, tokens, scope="notify:academic"), 400, "invalid_scope")
    again = await refresh(service, tokens)
    assert again.json()["scope"] == "read"


async def test_an_access_token_expires(service: Running, ada: User, clock: ManualClock) -> None:
    tokens = await sign_in(service)
    await clock.advance(15 * MINUTE - 0.001)
    assert (await me(service, tokens)).status_code == 200
    await clock.advance(0.001)
    answer = await me(service, tokens)
    refused(answer, 401, "expired_token")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert (await me(service, (await refresh(service, tokens)).json())).status_code == 200


async def test_a_refresh_token_is_not_an_access_token_nor_the_other_way_round(
    service: Running, ada: User
) -> None:
    tokens = await sign_in(service)
    swapped = {
        "access_token": tokens["refresh_token"],
        "refresh_token": tokens["access_token"],
    }
    refused(await me(service, swapped), 401, "invalid_token")
    refused(await refresh(service, swapped), 400, "invalid_grant")


async def test_a_reused_refresh_token_revokes_its_family(
    service: Running, ada: User, clock: ManualClock
) -> None:
    other = await sign_in(service)
    first = await sign_in(service)
    second = (await refresh(service, first)).json()
    assert (await me(service, second)).status_code == 200
    await clock.advance(11)
    refused(await refresh(service, first), 400, "invalid_grant")
    refused(await me(service, first), 401, "invalid_token")
    refused(await me(service, second), 401, "invalid_token")
    refused(await refresh(service, second), 400, "invalid_grant")
    assert (await me(service, other)).status_code == 200
    assert (await actions(service))[2:] == ["token.issued", "token.reused", "token.refused"]


async def test_a_refresh_whose_answer_was_lost_can_be_repeated(
    service: Running, ada: User, clock: ManualClock
) -> None:
    first = await sign_in(service)
    lost = (await refresh(service, first)).json()
    await clock.advance(10)
    second = (await refresh(service, first)).json()
    third = (await refresh(service, second)).json()
    assert (await me(service, third)).status_code == 200
    # Whoever has the lost answer is noticed, since its generation was used.
    await clock.advance(11)
    refused(await refresh(service, lost), 400, "invalid_grant")
    refused(await me(service, third), 401, "invalid_token")


async def test_one_before_the_previous_is_reused_at_once(service: Running, ada: User) -> None:
    first = await sign_in(service)
    second = (await refresh(service, first)).json()
    third = (await refresh(service, second)).json()
    refused(await refresh(service, first), 400, "invalid_grant")
    refused(await me(service, third), 401, "invalid_token")


async def test_refreshes_at_once_lead_to_one_generation(service: Running, ada: User) -> None:
    first = await sign_in(service)
    answers = await asyncio.gather(*(refresh(service, first) for _ in range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10
    (family,) = await families(service)
    assert family["gen"] == 2


async def families(service: Running) -> list[dict[str, int]]:
    stored = service.service.archive
    page = await stored.audit.page(AuditFilter(action="token.issued"), limit=200, cursor=None)
    ids = {entry.target.removeprefix("tokens:") for entry in page.items if entry.target}
    found = [await stored.token_families.find(UUID(id)) for id in ids]
    return [{"gen": each.generation} for each in found if each is not None]


async def test_a_sign_in_is_over_after_a_while(
    service: Running, ada: User, clock: ManualClock
) -> None:
    idle = await sign_in(service)
    busy = await sign_in(service)
    for _ in range(3):
        await clock.skip(9 * DAY)
        busy = (await refresh(service, busy)).json()
    refused(await refresh(service, idle), 400, "invalid_grant")
    await clock.skip(3 * DAY)
    refused(await refresh(service, busy), 400, "invalid_grant")


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_a_revoked_token_ends_at_once_with_its_family(
    service: Running, ada: User, which: str
) -> None:
    tokens = await sign_in(service)
    assert (await me(service, tokens)).status_code == 200
    answer = await revoke(service, tokens[which])
    assert (answer.status_code, answer.text) == (200, "")
    refused(await me(service, tokens), 401, "invalid_token")
    refused(await refresh(service, tokens), 400, "invalid_grant")
    assert (await revoke(service, tokens[which])).status_code == 200
    assert await actions(service) == ["token.issued", "token.revoked", "token.refused"]


async def test_what_is_no_token_is_revoked_without_effect(service: Running, ada: User) -> None:
    tokens = await sign_in(service)
    for token in ("x", tokens["access_token"][:-1] + "~", "a.b.c"):
        assert (await revoke(service, token)).status_code == 200
    key = (await service.key("read"))["Authorization"].removeprefix("Bearer ")
    refused(await revoke(service, key), 400, "unsupported_token_type")
    assert (await me(service, tokens)).status_code == 200


async def test_a_change_of_the_user_counts_at_once(
    service: Running, ada: User, clock: ManualClock
) -> None:
    tokens = await sign_in(service)
    assert (await me(service, tokens)).json()["scopes"] == ["notify:academic", "read"]
    await change_user(service.service, replace(ada, role=Role.viewer))
    assert (await me(service, tokens)).json()["scopes"] == ["read"]
    await change_user(service.service, replace(ada, active=False))
    refused(await me(service, tokens), 401, "invalid_token")
    refused(await refresh(service, tokens), 400, "invalid_grant")
    await change_user(service.service, ada)
    assert (await me(service, tokens)).status_code == 200
    await clock.advance(1)
    await change_user(service.service, replace(ada, credentials_changed_at=clock.now()))
    refused(await me(service, tokens), 401, "invalid_token")
    refused(await refresh(service, tokens), 400, "invalid_grant")
    assert (await me(service, await sign_in(service))).status_code == 200


async def test_a_deactivated_user_is_refused_at_once(service: Running, ada: User) -> None:
    tokens = await sign_in(service)
    assert (await me(service, tokens)).status_code == 200
    await service.service.identity.users.set_active(Actor("local"), ada.id, False)
    refused(await me(service, tokens), 401, "invalid_token")


def _form(id: str, key: str) -> dict[str, Any]:
    return {"data": {"client_id": id, "client_secret": key}}


def _basic(id: str, key: str) -> dict[str, Any]:
    encoded = base64.b64encode(f"{id}:{key}".encode()).decode()
    return {"headers": {"Authorization": f"Basic {encoded}"}}


def _bearer(_: str, key: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {key}"}}


@pytest.mark.parametrize("way", [_form, _basic, _bearer])
async def test_an_api_key_gets_a_token(service: Running, way: Any) -> None:
    key = (await service.key("read", "notify:academic"))["Authorization"].removeprefix("Bearer ")
    id = key.split("_")[1]
    request = way(id, key)
    request["data"] = {"grant_type": "client_credentials", **request.get("data", {})}
    answer = await service.anonymous.post("/v1/auth/token", **request)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    assert "refresh_token" not in tokens
    found = (await me(service, tokens)).json()
    assert (found["id"], found["name"], found["proof"]) == (id, "test", "token")
    assert found["scopes"] == ["notify:academic", "read"]
    assert (await service.http.delete(f"/v1/api-keys/{id}")).status_code == 204
    refused(await me(service, tokens), 401, "revoked_key")
    refused(await service.anonymous.post("/v1/auth/token", **request), 401, "invalid_client")


async def test_a_token_ends_with_the_secret_of_the_key_that_it_was_made_with(
    service: Running, clock: ManualClock
) -> None:
    key = (await service.key("read"))["Authorization"].removeprefix("Bearer ")
    tokens = [
        (await ask(service, grant_type="client_credentials", client_secret=key)).json()
        for _ in range(2)
    ]
    assert (await me(service, tokens[0])).status_code == 200
    path = f"/v1/api-keys/{key.split('_')[1]}/rotate"
    await service.http.post(path, json={"overlap": 60})
    assert (await me(service, tokens[0])).status_code == 200
    await clock.advance(60)
    for each in tokens:
        refused(await me(service, each), 401, "rotated_key")


async def test_a_second_rotation_revives_no_token_of_the_first_secret(
    service: Running, clock: ManualClock
) -> None:
    keys = [(await service.key("read"))["Authorization"].removeprefix("Bearer ")]
    path = f"/v1/api-keys/{keys[0].split('_')[1]}/rotate"
    tokens = [(await ask(service, grant_type="client_credentials", client_secret=keys[0])).json()]
    for overlap in (60, 3600):
        keys.append((await service.http.post(path, json={"overlap": overlap})).json()["key"])
        asked = await ask(service, grant_type="client_credentials", client_secret=keys[-1])
        tokens.append(asked.json())
        await clock.advance(61)
    refused(await me(service, tokens[0]), 401, "rotated_key")
    assert (await me(service, tokens[1])).status_code == 200
    assert (await me(service, tokens[2])).status_code == 200


async def test_a_token_of_the_new_secret_outlives_the_overlap(
    service: Running, clock: ManualClock
) -> None:
    key = (await service.key("read"))["Authorization"].removeprefix("Bearer ")
    path = f"/v1/api-keys/{key.split('_')[1]}/rotate"
    new = (await service.http.post(path, json={"overlap": 60})).json()["key"]
    tokens = (await ask(service, grant_type="client_credentials", client_secret=new)).json()
    await clock.advance(61)
    assert (await me(service, tokens)).status_code == 200


async def test_a_key_that_gets_a_token_was_used_from_there(service: Running) -> None:
    key = (await service.key("read"))["Authorization"].removeprefix("Bearer ")
    await ask(service, grant_type="client_credentials", client_secret=key)
    (shown,) = (await service.get("/v1/api-keys"))["items"]
    assert shown["last_used_from"] == "127.0.0.1"


async def test_a_client_id_is_that_of_the_key(service: Running) -> None:
    key = (await service.key("read"))["Authorization"].removeprefix("Bearer ")
    request = {"grant_type": "client_credentials", "client_secret": key, "client_id": "other"}
    refused(await ask(service, **request), 401, "invalid_client")
    both = await service.anonymous.post(
        "/v1/auth/token", data=request, headers=_basic("", key)["headers"]
    )
    refused(both, 400, "invalid_request")


async def test_who_am_i_by_key_and_locally(service: Running) -> None:
    key = await service.key("read")
    found = (await service.anonymous.get("/v1/auth/me", headers=key)).json()
    assert (found["name"], found["proof"], found["role"]) == ("test", "api_key", None)
    found = await service.get("/v1/auth/me")
    assert (found["id"], found["proof"], found["scopes"]) == ("local", "local", ["admin"])
    answer = await service.anonymous.get("/v1/auth/me")
    refused(answer, 401, "not_authenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_restart_and_a_rotated_secret_end_no_token(clock: ManualClock) -> None:
    old, new = "o" * 32, "n" * 32
    async with running(Service(ServiceConfig(secret_key=old), clock), deliver=False) as service:
        await add_user(service.service)
        tokens = await sign_in(service)
        key = await service.key("read")
    config = ServiceConfig(secret_key=new, previous_secret_keys=old)
    async with running(Service(config, clock), deliver=False) as service:
        assert (await me(service, tokens)).status_code == 200
        assert (await service.anonymous.get("/v1/kinds", headers=key)).status_code == 200
        tokens = (await refresh(service, tokens)).json()
    async with running(Service(ServiceConfig(secret_key=new), clock), deliver=False) as service:
        assert (await me(service, tokens)).status_code == 200
        refused(await service.anonymous.get("/v1/kinds", headers=key), 401, "unknown_key")
    async with running(Service(ServiceConfig(secret_key=old), clock), deliver=False) as service:
        refused(await me(service, tokens), 401, "invalid_token")


async def test_an_event_stream_ends_with_its_token(
    service: Running, ada: User, clock: ManualClock
) -> None:
    tokens = await sign_in(service)
    await me(service, tokens)
    principal = await service.service.identity.tokens.authenticate(tokens["access_token"])
    assert service.service.identity.tokens.is_valid(principal)
    await revoke(service, tokens["refresh_token"])
    assert not service.service.identity.tokens.is_valid(principal)


async def test_no_token_or_password_is_logged_or_audited(
    service: Running, ada: User, clock: ManualClock
) -> None:
    with capture_logs() as logs:
        tokens = await sign_in(service)
        texts = [(await me(service, {"access_token": tokens["refresh_token"]})).text]
        await refresh(service, tokens)
        await clock.advance(11)
        texts.append((await refresh(service, tokens)).text)
        texts.append((await revoke(service, tokens["access_token"])).text)
        texts.append((await ask(service, grant_type="password", password=GOOD, x=GOOD)).text)
    page = await service.service.archive.audit.page(AuditFilter(), limit=200, cursor=None)
    shown = json.dumps([logs, texts, [str(entry) for entry in page.items]], default=str)
    for secret in (GOOD, tokens["access_token"], tokens["refresh_token"]):
        for part in (secret, secret.rpartition(".")[2]):
            assert part not in shown


async def test_families_are_purged_when_over(
    service: Running, ada: User, clock: ManualClock
) -> None:
    await sign_in(service)
    await clock.skip(30 * DAY)
    await service.service.maintenance.purge()
    assert await families(service) == [{"gen": 1}]
    await clock.advance(1)
    await service.service.maintenance.purge()
    assert await families(service) == []
