"""Whose devices are whose, over HTTP."""

from typing import Any

import pytest

from tests.integration.wrong_requests import ENDPOINT
from tests.support.browser import Browser
from tests.support.callers import by_key, by_token
from tests.support.running import Running

TOPIC = {"type": "ntfy", "topic": "ada-5Hk2xQ"}


async def ask(service: Running, who: Any, method: str, path: str = "", **more: Any) -> Any:
    """Return the status and the document of an answer."""
    path = f"/v1/devices{path}"
    answer = await service.anonymous.request(method, path, headers=who.headers, **more)
    return answer.status_code, answer.json() if answer.content else None


@pytest.fixture
async def ada(service: Running) -> Any:
    return await by_token(service, "sender")


@pytest.fixture
async def bob(service: Running) -> Any:
    return await by_token(service, "sender")


async def test_people_manage_their_own_devices_only(service: Running, ada: Any, bob: Any) -> None:
    status, made = await ask(service, ada, "POST", json=TOPIC)
    assert status == 201
    path = f"/{made['id']}"
    status, shown = await ask(service, ada, "GET", path)
    assert (shown["target"], shown["user_id"]) == (TOPIC["topic"], str(ada.user.id))
    assert [d["id"] for d in (await ask(service, ada, "GET"))[1]["items"]] == [made["id"]]
    assert (await ask(service, bob, "GET"))[1]["items"] == []
    for method in ("GET", "DELETE"):
        assert (await ask(service, bob, method, path))[0] == 404
    assert (await ask(service, ada, "DELETE", path))[0] == 204


async def test_nobody_takes_the_topic_of_another(service: Running, ada: Any, bob: Any) -> None:
    await ask(service, ada, "POST", json=TOPIC)
    status, problem = await ask(service, bob, "POST", json=TOPIC)
    assert (status, problem["code"]) == (409, "device_taken")
    assert (await ask(service, ada, "POST", json=TOPIC))[0] == 200


async def test_a_browser_belongs_to_who_uses_it_now(service: Running, ada: Any, bob: Any) -> None:
    shared = Browser().subscription(ENDPOINT)
    _, made = await ask(service, ada, "POST", json=shared)
    # The endpoint alone does not prove it.
    forged = Browser().subscription(ENDPOINT)
    assert (await ask(service, bob, "POST", json=forged))[0] == 409
    assert await ask(service, bob, "POST", json=shared) == (200, made)
    assert (await ask(service, ada, "GET"))[1]["items"] == []


async def test_the_scope_devices_registers_for_others(service: Running, ada: Any, bob: Any) -> None:
    manager = await by_key(service, "`devices`")
    for_ada = TOPIC | {"user_id": str(ada.user.id)}
    status, problem = await ask(service, bob, "POST", json=for_ada)
    assert (status, problem["code"]) == (403, "missing_scope")
    nobody = TOPIC | {"user_id": "01a204ab-133f-7000-95d3-66f8d33980d8"}
    status, problem = await ask(service, manager, "POST", json=nobody)
    assert problem["errors"][0] | {"detail": ""} == {
        "pointer": "/user_id",
        "code": "unknown_user",
        "detail": "",
    }
    assert (await ask(service, manager, "POST", json=for_ada))[0] == 201
    # Renewing it, it need not say whose it is.
    assert (await ask(service, manager, "POST", json=TOPIC))[0] == 200
    (shown,) = (await ask(service, ada, "GET"))[1]["items"]
    (seen,) = (await ask(service, manager, "GET"))[1]["items"]
    assert seen == shown
    assert seen["target"] == TOPIC["topic"]


async def test_who_may_only_read_learns_no_topic(service: Running, ada: Any) -> None:
    await ask(service, ada, "POST", json=TOPIC)
    await ask(
        service, await by_key(service, "`devices`"), "POST", json={**TOPIC, "topic": "nobodys"}
    )
    assert (await ask(service, await by_key(service, "`read`"), "GET"))[1]["items"] == []
    for who in (
        await by_key(service, "`read:all`"),
        await by_token(service, "viewer"),
    ):
        shown = (await ask(service, who, "GET"))[1]["items"]
        assert [device["target"] for device in shown] == [None, None]
        status, one = await ask(service, who, "GET", f"/{shown[0]['id']}")
        assert (status, one["target"]) == (200, None)
