"""SMS credit: who pays for SMS, and what would go over is refused."""

import asyncio
import csv
import io
from typing import Any

import httpx
import pytest

from flashnotify.app import Service
from flashnotify.domain import Role
from flashnotify.errors import Unavailable
from flashnotify.identity.roles import user_principal
from flashnotify.settings import ServiceConfig
from tests.integration.test_groups import create
from tests.integration.test_users import audited
from tests.support.manual_clock import ManualClock
from tests.support.people import add_user
from tests.support.running import ACADEMIC, SECURITY, Running, running

CENTRES = "/v1/cost-centres"
PHONES = [f"tel:+3361234567{number}" for number in range(10)]
DAY = 24 * 3600.0


async def centre(service: Running, **more: Any) -> Any:
    answer = await service.http.post(CENTRES, json={"slug": "sport", "name": "Sport", **more})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"{CENTRES}/sport"
    return answer.json()


async def sender(service: Running, **more: Any) -> dict[str, str]:
    return await service.key("notify:*", cost_centre="sport", **more)


async def send(
    service: Running, key: dict[str, str], *to: str, kind: dict[str, Any] = ACADEMIC, **more: Any
) -> httpx.Response:
    body = kind | {"to": list(to), "channels": ["sms"], **more}
    return await service.anonymous.post("/v1/notifications", json=body, headers=key)


async def used(service: Running) -> tuple[int, int | None]:
    found = await service.get(f"{CENTRES}/sport")
    return found["used"], found["left"]


async def usage(service: Running) -> Any:
    return (await service.get(f"{CENTRES}/sport/usage"))["items"]


def refused(answer: httpx.Response, code: str, *parts: str) -> None:
    assert answer.status_code == 403, answer.text
    problem = answer.json()
    assert problem["code"] == code
    for part in parts:
        assert part in problem["detail"]


async def test_what_would_go_over_the_credit_is_refused_with_what_is_left(
    service: Running,
) -> None:
    await centre(service, credit=5)
    key = await sender(service)
    assert (await send(service, key, *PHONES[:3])).status_code == 202
    answer = await send(service, key, *PHONES[:3])
    refused(answer, "credit_exhausted", "needs 3 SMS segments", "'sport' has 2 left this month")
    assert (await send(service, key, *PHONES[:2])).status_code == 202
    assert await used(service) == (5, 0)
    # Email costs nothing, nor does a key without a cost centre.
    mail = await send(service, key, "mailto:ada@univ.example", channels=["email"])
    assert mail.status_code == 202
    assert (await send(service, await service.key("notify:*"), *PHONES)).status_code == 202
    assert await used(service) == (5, 0)


async def test_segments_are_those_of_what_is_sent(service: Running) -> None:
    await centre(service)
    long = "The exam takes place in another room. " * 8
    id = (await send(service, await sender(service), *PHONES[:3], body=long)).json()["id"]
    await service.completed(id)
    assert (await usage(service))[0]["segments"] == 6
    outbox = (await service.get("/v1/outbox"))["items"]
    assert len(outbox) == 3
    assert all(len(each["text"]) > 160 for each in outbox)


async def test_two_at_once_cannot_overdraw(service: Running) -> None:
    await centre(service, credit=4)
    key = await sender(service)
    answers = await asyncio.gather(*(send(service, key, *PHONES[:2]) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [202, 202, 403, 403, 403]
    batch = [ACADEMIC | {"to": [PHONES[0]], "channels": ["sms"]}]
    answer = await service.anonymous.post("/v1/notifications/batch", json=batch, headers=key)
    assert "credit_exhausted" in answer.text
    assert await used(service) == (4, 0)


async def test_a_month_begins_anew_and_a_restart_forgets_nothing(clock: ManualClock) -> None:
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        await centre(service, credit=2)
        key = await sender(service)
        assert (await send(service, key, *PHONES[:2])).status_code == 202
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        refused(await send(service, key, PHONES[0]), "credit_exhausted", "0 left this month")
        # From the 15th of January to the 1st of February.
        clock.step(16 * DAY)
        refused(await send(service, key, PHONES[0]), "credit_exhausted")
        clock.step(DAY)
        assert (await send(service, key, PHONES[0])).status_code == 202
        assert await used(service) == (1, 1)
        assert [each["month"] for each in await usage(service)] == ["2027-01", "2027-02"]


async def test_a_total_is_used_up_once(clock: ManualClock) -> None:
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        await centre(service, credit=2, period="total")
        key = await sender(service)
        assert (await send(service, key, PHONES[0])).status_code == 202
        clock.step(40 * DAY)
        assert (await send(service, key, PHONES[0])).status_code == 202
        refused(await send(service, key, PHONES[0]), "credit_exhausted", "has 0 left. ")
        changed = await service.http.patch(f"{CENTRES}/sport", json={"credit": 3})
        assert changed.json()["left"] == 1
        assert (await send(service, key, PHONES[0])).status_code == 202


async def test_one_notification_has_a_most(service: Running) -> None:
    await centre(service, per_notification=3)
    key = await sender(service)
    refused(await send(service, key, *PHONES[:4]), "too_many_segments", "4 SMS", "allows 3")
    assert (await send(service, key, *PHONES[:3])).status_code == 202


async def test_critical_goes_through_and_is_reported(
    service: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    await centre(service, credit=1)
    key = await sender(service, max_priority="critical")
    for headers in (key, {**key, "Idempotency-Key": "once"}):
        answer = await send(
            service, headers, *PHONES[:2], kind=SECURITY, priority="critical", locale="de"
        )
        assert answer.status_code == 202, answer.text
        codes = [warning["code"] for warning in answer.json()["warnings"]]
        assert "credit_exhausted" in codes
        assert len(codes) == 2
    assert await used(service) == (4, 0)


async def test_what_is_not_stored_is_given_back(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await centre(service, credit=2)
    key = await sender(service, recipients_per_day=3)

    async def fail() -> None:
        raise Unavailable("The disk is full.")

    with monkeypatch.context() as broken:
        stored = service.service.archive.notifications
        broken.setattr(stored, "accept", lambda *_, **__: fail())
        assert (await send(service, key, *PHONES[:2])).status_code == 503
    assert await used(service) == (0, 2)
    # Nor does it cost anything if the key may not reach so many.
    await send(service, key, *(f"mailto:{n}@univ.example" for n in range(2)), channels=["email"])
    assert (await send(service, key, *PHONES[:2])).status_code == 429
    assert await used(service) == (0, 2)


async def test_people_in_groups_are_counted_as_they_are_reached(service: Running) -> None:
    await centre(service, credit=10)
    group = await create(service, "info")
    people: tuple[dict[str, Any], ...] = (
        {"phone": "+33612345678", "locale": "fr"},
        {"phone": "+33612345679"},
        {"phone": None},
        {"phone": "+33612345677", "active": False},
    )
    for number, more in enumerate(people):
        person = {"email": f"p{number}@univ.example", "external_id": f"p{number}", **more}
        await add_user(service.service, Role.viewer, **person)
        await service.http.put(f"/v1/groups/{group['id']}/members/p{number}")
    answer = await send(service, await sender(service), "group:info", PHONES[0])
    assert answer.status_code == 202, answer.text
    assert [each["messages"] for each in await usage(service)] == [3]
    await service.completed(answer.json()["id"])
    assert len((await service.get("/v1/outbox"))["items"]) == 3


async def test_people_use_the_credit_of_the_first_of_their_groups(service: Running) -> None:
    await centre(service, credit=1)
    user = await add_user(service.service)
    grants = service.service.identity.grants
    token = (await grants.issue(user_principal(user), None, "password", None)).access_token
    headers = {"Authorization": f"Bearer {token}"}
    assert (await send(service, headers, *PHONES[:2])).status_code == 202
    group = await create(service, "club", cost_centre="sport")
    assert group["cost_centre"] == "sport"
    await service.http.put(f"/v1/groups/{group['id']}/members/{user.id}")
    refused(await send(service, headers, *PHONES[:2]), "credit_exhausted", "'sport' has 1 left")
    await service.http.patch(f"/v1/groups/{group['id']}", json={"cost_centre": None})
    assert (await service.get("/v1/groups/club"))["cost_centre"] is None
    assert (await send(service, headers, *PHONES[:2])).status_code == 202


async def test_usage_is_by_month_and_kind_and_as_csv(service: Running) -> None:
    made = await centre(service)
    key = await sender(service)
    for body in (ACADEMIC, ACADEMIC, SECURITY):
        assert (await send(service, key, *PHONES[:2], kind=body)).status_code == 202
    found = await usage(service)
    assert [(each["kind"], each["messages"]) for each in found] == [
        ("academic", 4),
        ("security", 2),
    ]
    headers = {"Accept": "text/csv"}
    answer = await service.http.get(f"{CENTRES}/sport/usage", headers=headers)
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert rows == [{name: str(value) for name, value in each.items()} for each in found]
    (listed,) = (await service.get(CENTRES))["items"]
    assert listed == made | {"used": sum(each["segments"] for each in found)}


async def test_cost_centres_are_checked_and_audited(service: Running) -> None:
    await centre(service, credit=1)
    again = await service.http.post(CENTRES, json={"slug": "sport", "name": "S"})
    assert (again.status_code, again.json()["code"]) == (409, "already_taken")
    for path, body, pointer in (
        (CENTRES, {"slug": "UP", "name": "S"}, "/slug"),
        (CENTRES, {"slug": "a", "name": "S", "credit": -1}, "/credit"),
        (CENTRES, {"slug": "a", "name": "S", "period": "week"}, "/period"),
        ("/v1/groups", {"slug": "a", "name": "S", "cost_centre": "x"}, "/cost_centre"),
        ("/v1/api-keys", {"name": "a", "scopes": ["read"], "cost_centre": "x"}, "/cost_centre"),
    ):
        answer = await service.http.post(path, json=body)
        assert answer.status_code == 422, answer.text
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert (await service.http.get(f"{CENTRES}/none/usage")).status_code == 404
    await service.http.patch(f"{CENTRES}/sport", json={"credit": None, "name": "Sport"})
    await sender(service)
    assert (await service.get("/v1/api-keys"))["items"][0]["cost_centre"] == "sport"
    created, changed = [entry for entry in audited(service) if entry[1].startswith("cost_centre.")]
    assert (created[1], changed[1]) == ("cost_centre.created", "cost_centre.changed")
    assert changed[3] == {"fields": ["credit"], "credit": [1, None]}
