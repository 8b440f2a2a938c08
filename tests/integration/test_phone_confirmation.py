"""`/v1/me/phone`: people confirm their phone numbers by a code."""

import asyncio
import re
from typing import Any

import httpx
import pytest

from flashnotify.app import Service
from flashnotify.archive.identity_records import User
from flashnotify.settings import ServiceConfig
from tests.integration.test_users import audited
from tests.support.http_server import HttpServer, Reply
from tests.support.manual_clock import ManualClock
from tests.support.people import add_user
from tests.support.running import Running, running
from tests.support.signing_in import OWN_PAGE, cookie_of

MINE, NUMBER, OTHER = "/v1/me/phone", "+33612345678", "+33612345679"


async def ask(
    service: Running, user: User, method: str, path: str = MINE, **body: Any
) -> httpx.Response:
    headers = await cookie_of(service.service, user) | OWN_PAGE
    return await service.anonymous.request(method, path, json=body, headers=headers)


async def give(service: Running, user: User, phone: str = NUMBER) -> str:
    """Give a number, and return the code that was sent to it."""
    answer = await ask(service, user, "PUT", phone=phone)
    assert (answer.status_code, answer.json()) == (202, {"minutes": 10})
    newest = (await messages(service))[0]
    assert newest["to"] == phone
    [code] = re.findall(r"\b\d{6}\b", newest["text"])
    return str(code)


async def messages(service: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await service.get("/v1/outbox", channel="sms"))["items"]
    return found


async def confirm(service: Running, user: User, code: str) -> httpx.Response:
    return await ask(service, user, "POST", f"{MINE}/confirm", code=code)


async def refusal(service: Running, user: User, code: str) -> str:
    answer = await confirm(service, user, code)
    assert answer.status_code == 422, answer.text
    return str(answer.json()["errors"][0]["code"])


async def phone_of(service: Running, user: User) -> str | None:
    return (await service.service.identity.users.find(user.id)).phone


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


@pytest.mark.parametrize(("locale", "word"), [("fr-CH", "confirme votre"), ("de", "confirms your")])
async def test_a_number_is_ones_own_once_its_code_is_sent_back(
    service: Running, locale: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    user = await add_user(service.service, locale=locale)
    code = await give(service, user)
    [sms] = await messages(service)
    assert word in sms["text"]
    assert (await service.get("/v1/outbox", channel="email"))["items"] == []
    assert await phone_of(service, user) is None
    assert (await confirm(service, user, code)).status_code == 204
    assert await phone_of(service, user) == NUMBER
    assert await refusal(service, user, code) == "no_code"
    entries, me = audited(service), f"user:{user.id}"
    assert (me, "user.changed", me, {"fields": ["phone"]}) in entries
    told = str(entries) + "".join(capsys.readouterr())
    assert NUMBER not in told
    assert code not in told
    assert (await ask(service, user, "DELETE")).status_code == 204
    assert await phone_of(service, user) is None


async def test_listeners_hear_of_the_number(service: Running) -> None:
    user = await add_user(service.service, phone=OTHER)
    told: list[str | None] = []
    service.service.identity.users.on_change(lambda users: told.extend(u.phone for u in users))
    await confirm(service, user, await give(service, user))
    assert told == [NUMBER]


async def test_five_wrong_tries_use_a_code_up(service: Running) -> None:
    user = await add_user(service.service)
    code = await give(service, user)
    for left in (4, 3, 2, 1, 0):
        answer = (await confirm(service, user, wrong(code))).json()["errors"][0]
        assert (answer["code"], answer["detail"][-1]) == ("wrong_code", str(left))
    assert await refusal(service, user, code) == "code_used_up"
    assert await phone_of(service, user) is None
    assert (await confirm(service, user, await give(service, user))).status_code == 204


async def test_wrong_tries_at_once_all_count(service: Running) -> None:
    user = await add_user(service.service)
    code = await give(service, user)
    tries = (refusal(service, user, wrong(code)) for _ in range(8))
    codes = sorted(await asyncio.gather(*tries))
    assert codes == ["code_used_up"] * 3 + ["wrong_code"] * 5


async def test_a_code_is_valid_for_ten_minutes(service: Running, clock: ManualClock) -> None:
    user = await add_user(service.service)
    code = await give(service, user)
    await clock.advance(600)
    assert await refusal(service, user, code) == "code_expired"
    code = await give(service, user)
    await clock.advance(599)
    assert (await confirm(service, user, code)).status_code == 204


async def test_another_number_starts_anew(service: Running) -> None:
    user = await add_user(service.service)
    first = await give(service, user)
    assert await refusal(service, user, wrong(first)) == "wrong_code"
    second = await give(service, user, OTHER)
    if first != second:
        answer = (await confirm(service, user, first)).json()["errors"][0]
        assert answer["detail"].endswith("left: 4")
    assert (await confirm(service, user, second)).status_code == 204
    assert await phone_of(service, user) == OTHER


async def test_codes_are_bounded_per_person(service: Running, clock: ManualClock) -> None:
    user, phones = await add_user(service.service), (NUMBER, OTHER, NUMBER)
    for phone in phones:
        await give(service, user, phone)
    # Also when a code was used: each SMS costs money.
    await confirm(service, user, "000000")
    await ask(service, user, "DELETE")
    refused = await ask(service, user, "PUT", phone="+33612345670")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_codes")
    assert refused.headers["Retry-After"] == "3600"
    await clock.advance(3600)
    await give(service, user)


async def test_codes_are_bounded_per_number(service: Running) -> None:
    emails = [f"p{n}@univ.example" for n in range(4)]
    *users, last = [await add_user(service.service, email=email) for email in emails]
    for user in users:
        await give(service, user)
    assert (await ask(service, last, "PUT", phone=NUMBER)).status_code == 429
    await give(service, last, OTHER)


async def test_requests_at_once_stay_within_the_bound(service: Running) -> None:
    user = await add_user(service.service)
    answers = await asyncio.gather(*(ask(service, user, "PUT", phone=NUMBER) for _ in range(5)))
    assert sorted(a.status_code for a in answers) == [202, 202, 202, 429, 429]
    assert len(await messages(service)) == 3


async def test_a_code_outlives_a_restart(clock: ManualClock) -> None:
    async with running(Service(ServiceConfig(), clock)) as service:
        user = await add_user(service.service)
        code = await give(service, user)
        assert await refusal(service, user, wrong(code)) == "wrong_code"
    async with running(Service(ServiceConfig(), clock)) as service:
        answer = (await confirm(service, user, wrong(code))).json()["errors"][0]
        assert answer["detail"].endswith("left: 3")
        assert (await confirm(service, user, code)).status_code == 204


async def test_a_gateway_gets_it_once_and_its_refusal_is_told(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with HttpServer(Reply(202, "0: Accepted")) as kannel:
        monkeypatch.setenv("FLASHNOTIFY_SMS_URL", f"kannel://user:secret@{kannel.host}")
        async with running(Service(ServiceConfig(), clock)) as service:
            user = await add_user(service.service)
            assert (await ask(service, user, "PUT", phone="+33 6 12 34 56 78")).status_code == 202
            assert [each.query["to"] for each in kannel.requests] == [NUMBER]
            kannel.next(Reply(403, "no"))
            refused = await ask(service, user, "PUT", phone=NUMBER)
            assert refused.status_code == 503
            assert refused.headers["Retry-After"] == "60"


async def test_an_admin_needs_no_code_and_a_key_has_no_number(service: Running) -> None:
    user = await add_user(service.service)
    changed = await service.http.patch(f"/v1/users/{user.id}", json={"phone": NUMBER})
    assert (changed.status_code, changed.json()["phone"]) == (200, NUMBER)
    assert await messages(service) == []
    refused = await service.http.put(MINE, json={"phone": NUMBER})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_a_user")


async def test_old_codes_are_purged(service: Running, clock: ManualClock) -> None:
    user, stored = await add_user(service.service), service.service.archive.phone_confirmations
    await give(service, user)
    await clock.advance(3600)
    await service.service.maintenance.purge()
    assert len(await stored.of_user(user.id)) == 1
    await clock.advance(1)
    await service.service.maintenance.purge()
    assert await stored.of_user(user.id) == []


async def test_erasure_takes_it_along(service: Running) -> None:
    user, stored = await add_user(service.service), service.service.archive.phone_confirmations
    await give(service, user)
    await give(service, user, OTHER)
    export = (await service.http.get(f"/v1/users/{user.id}/export")).text
    assert NUMBER in export
    assert OTHER in export
    answer = await service.http.delete(f"/v1/users/{user.id}", params={"erase": True})
    assert answer.status_code == 204, answer.text
    assert await stored.of_user(user.id) == []
