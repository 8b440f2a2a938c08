"""`/v1/me/preferences` and `/v1/users/{id}/preferences`."""

from typing import Any
from uuid import UUID

import pytest

from flashnotify.app import Service
from flashnotify.archive.identity_records import User
from flashnotify.domain import Role
from flashnotify.settings import ServiceConfig
from tests.integration import wrong_requests
from tests.integration.test_users import audited
from tests.support.manual_clock import ManualClock
from tests.support.people import add_user
from tests.support.running import Running, running
from tests.support.signing_in import OWN_PAGE, cookie_of

MINE = "/v1/me/preferences"
CHOSEN: dict[str, Any] = {
    "kinds": {"academic": ["email"], "weather": []},
    "quiet_hours": "22:00-07:00",
    "digest": {"every": "weekly", "at": "18:00", "weekday": 5},
}


async def ask(service: Running, user: User, method: str, body: Any = None) -> Any:
    """Return the answer to somebody about their own preferences."""
    headers = await cookie_of(service.service, user) | OWN_PAGE
    answer = await service.anonymous.request(method, MINE, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_defaults_are_shown_beside_what_was_chosen(service: Running) -> None:
    user = await add_user(service.service, Role.viewer, timezone="America/New_York")
    found = await ask(service, user, "GET")
    assert found["defaults"]["academic"]["channels"] == ["email", "push", "in_app"]
    assert set(found["defaults"]["academic"]["offered"]) >= {"email", "sms", "push"}
    mandatory = {name for name, kind in found["defaults"].items() if kind["mandatory"]}
    assert mandatory == {"health", "security"}
    nothing: dict[str, Any] = {
        "kinds": {},
        "quiet_hours": None,
        "digest": None,
        "timezone": "America/New_York",
    }
    assert {name: found[name] for name in nothing} == nothing
    chosen = await ask(service, user, "PUT", CHOSEN)
    assert {name: chosen[name] for name in CHOSEN} == CHOSEN
    assert chosen == await ask(service, user, "GET")
    assert chosen == await service.get(f"/v1/users/{user.id}/preferences")


async def test_a_patch_changes_what_it_names(service: Running) -> None:
    user = await add_user(service.service)
    await ask(service, user, "PUT", CHOSEN)
    kinds = {"weather": None, "infrastructure": ["push", "email"]}
    changed = await ask(service, user, "PATCH", {"kinds": kinds, "digest": None})
    assert changed["kinds"] == {"academic": ["email"], "infrastructure": ["email", "push"]}
    assert changed["digest"] is None
    assert changed["quiet_hours"] == "22:00-07:00"
    assert (await ask(service, user, "PUT", {}))["quiet_hours"] is None
    daily = {"digest": {"every": "daily", "at": "07:30"}}
    assert (await ask(service, user, "PATCH", daily))["digest"]["weekday"] is None


@pytest.mark.parametrize(("body", "pointer", "code"), wrong_requests.PREFERENCES)
async def test_what_is_wrong_is_refused_by_name(
    service: Running, body: dict[str, Any], pointer: str, code: str
) -> None:
    user = await add_user(service.service)
    for method in ("PUT", "PATCH"):
        path = f"/v1/users/{user.id}/preferences"
        answer = await service.http.request(method, path, json=body)
        assert answer.status_code == 422, answer.text
        assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]
    assert (await service.get(f"/v1/users/{user.id}/preferences"))["kinds"] == {}


async def test_changes_are_audited_without_what_was_chosen(service: Running) -> None:
    user = await add_user(service.service)
    await ask(service, user, "PUT", CHOSEN)
    await ask(service, user, "PUT", CHOSEN)
    changes = [entry for entry in audited(service) if entry[1] == "preferences.changed"]
    fields = {"fields": ["kinds", "quiet_hours", "digest"]}
    who = f"user:{user.id}"
    assert changes == [(who, "preferences.changed", who, fields)]


async def test_only_people_have_preferences_of_their_own(service: Running) -> None:
    for headers in (await service.key("admin"), await service.key("read")):
        answer = await service.anonymous.get(MINE, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_a_user")
    assert (await service.http.get(MINE)).status_code == 403
    nobody = f"/v1/users/{UUID(int=7)}/preferences"
    assert (await service.http.get(nobody)).status_code == 404
    assert (await service.http.put(nobody, json={})).status_code == 404


@pytest.mark.parametrize("zone", ["Mars/Olympus_Mons", "../../etc/passwd", ""])
async def test_a_time_zone_that_does_not_exist_is_the_campus_s(
    clock: ManualClock, zone: str
) -> None:
    async with running(Service(ServiceConfig(timezone="Europe/Paris"), clock)) as service:
        user = await add_user(service.service, timezone=zone)
        assert (await ask(service, user, "GET"))["timezone"] == "Europe/Paris"
        headers = await cookie_of(service.service, user)
        page = await service.anonymous.get("/account", headers=headers)
        assert page.status_code == 200
