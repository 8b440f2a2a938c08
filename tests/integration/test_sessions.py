"""Sessions of browsers in the API: a third way to prove who one is, for our own pages only."""

import time
from uuid import uuid4

import httpx
import pytest

from flashnotify.api.browser_sessions import SESSION
from flashnotify.app import Service
from flashnotify.domain import Role
from flashnotify.settings import ServiceConfig
from tests.support.running import ACADEMIC, Running, running
from tests.support.signing_in import OWN_PAGE, add_user, cookie_of

CROSS_SITE: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://test"},
    {},
    {"Origin": "null"},
    {"Origin": "http://evil.example"},
    {"Origin": "https://test"},
    {"Origin": "http://test.evil.example"},
    {"Referer": "http://test/account"},
]


async def status(service: Running, headers: dict[str, str], path: str = "/v1/kinds") -> int:
    return (await service.anonymous.get(path, headers=headers)).status_code


async def test_a_session_may_do_what_its_user_may(service: Running) -> None:
    sender = await add_user(service.service, Role.sender, kinds=frozenset({"academic"}))
    cookie = await cookie_of(service.service, sender)
    http, own = service.anonymous, cookie | OWN_PAGE
    assert await status(service, cookie) == 200
    sent = await http.post("/v1/notifications", json=ACADEMIC, headers=own)
    assert sent.status_code == 202
    assert "x-api-key-expires-at" not in sent.headers
    refused = await http.post("/v1/notifications", json=ACADEMIC | {"kind": "weather"}, headers=own)
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    assert await status(service, cookie, "/v1/api-keys") == 403


async def test_what_an_authorization_header_says_counts(service: Running) -> None:
    cookie = await cookie_of(service.service, await add_user(service.service))
    assert await status(service, cookie | {"X-API-Key": "fn_wrong"}) == 401
    assert await status(service, cookie | await service.key("devices"), "/v1/notifications") == 403


@pytest.mark.parametrize("headers", CROSS_SITE)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/notifications"), ("DELETE", "/v1/auth/sessions")]
)
async def test_pages_of_others_may_not_use_a_session(
    service: Running, headers: dict[str, str], method: str, path: str
) -> None:
    cookie = await cookie_of(service.service, await add_user(service.service))
    body = ACADEMIC if method == "POST" else None
    answer = await service.anonymous.request(method, path, json=body, headers=cookie | headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
    assert (await service.get("/v1/notifications"))["items"] == []


@pytest.mark.parametrize("origin", ["http://test", "http://127.0.0.1:8000"])
async def test_an_own_origin_is_enough_for_older_browsers(service: Running, origin: str) -> None:
    cookie = await cookie_of(service.service, await add_user(service.service))
    headers = cookie | {"Origin": origin}
    sent = await service.anonymous.post("/v1/notifications", json=ACADEMIC, headers=headers)
    assert sent.status_code == 202


async def test_behind_https_only_the_public_origin_and_a_bound_cookie_count() -> None:
    async with running(Service(ServiceConfig(public_url="https://univ.example/notify"))) as service:
        cookie = await cookie_of(service.service, await add_user(service.service))
        assert await status(service, cookie) == 401
        bound = {"Cookie": f"__Host-{cookie['Cookie']}"}
        assert await status(service, bound) == 200
        for origin, expected in (("https://univ.example", 202), ("http://test", 403)):
            headers = bound | {"Origin": origin}
            sent = await service.anonymous.post("/v1/notifications", json=ACADEMIC, headers=headers)
            assert sent.status_code == expected


async def test_own_sessions_are_listed_and_ended(service: Running) -> None:
    ada = await add_user(service.service)
    first = await cookie_of(service.service, ada)
    await service.service.clock.advance(60)  # type: ignore[attr-defined]  # a manual clock
    second = await cookie_of(service.service, ada, "Safari")
    http = service.anonymous
    listed = (await http.get("/v1/auth/sessions", headers=first)).json()
    shown = [(each["user_agent"], each["current"]) for each in listed["items"]]
    assert shown == [("Safari", False), ("Firefox", True)]
    item = listed["items"][0]
    assert item["address"] == "192.0.2.7"
    assert item["expires_at"] > item["created_at"]
    path = f"/v1/auth/sessions/{item['id']}"
    assert (await http.delete(path, headers=first | OWN_PAGE)).status_code == 204
    assert (await http.delete(path, headers=first | OWN_PAGE)).status_code == 404
    assert [await status(service, each) for each in (first, second)] == [200, 401]


async def test_all_other_sessions_are_ended(service: Running) -> None:
    ada = await add_user(service.service)
    mine, *others = [await cookie_of(service.service, ada) for _ in range(3)]
    answer = await service.anonymous.delete("/v1/auth/sessions", headers=mine | OWN_PAGE)
    assert answer.status_code == 204
    assert [await status(service, each) for each in (mine, *others)] == [200, 401, 401]


async def test_sessions_of_others_are_not_ones_own(service: Running) -> None:
    ada, bob = await add_user(service.service), await add_user(service.service)
    cookie, other = [await cookie_of(service.service, each) for each in (ada, bob)]
    (session,) = await service.service.identity.sessions.of_user(bob.id)
    http = service.anonymous
    for headers in (cookie | OWN_PAGE, await service.key("admin")):
        for id in (session.id, uuid4()):
            answer = await http.delete(f"/v1/auth/sessions/{id}", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    key = await service.key("admin")
    assert (await http.get("/v1/auth/sessions", headers=key)).json()["items"] == []
    assert (await http.delete("/v1/auth/sessions", headers=key)).status_code == 204
    assert await status(service, other) == 200


async def test_ended_sessions_are_explained(service: Running) -> None:
    answer = await service.anonymous.get("/v1/kinds", headers={"Cookie": f"{SESSION}=x"})
    assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")
    assert answer.headers["www-authenticate"] == "Bearer"
    bare = await service.anonymous.get("/v1/kinds", headers={"Cookie": f"{SESSION}="})
    assert bare.json()["code"] == "not_authenticated"


async def test_sessions_share_a_rate_limit() -> None:
    async with running(Service(ServiceConfig(rate_limit="2/minute"))) as service:
        ada = await add_user(service.service)
        cookies = [await cookie_of(service.service, ada) for _ in range(3)]
        assert [await status(service, each) for each in cookies] == [200, 200, 429]


async def test_no_cookie_is_in_the_audit_log_or_an_answer(service: Running) -> None:
    cookie = await cookie_of(service.service, await add_user(service.service))
    secret = cookie["Cookie"].partition("=")[2]
    answers: list[httpx.Response] = [
        await service.anonymous.get("/v1/auth/sessions", headers=cookie),
        await service.anonymous.delete("/v1/auth/sessions", headers=cookie),
        await service.anonymous.get("/v1/unknown", headers=cookie),
    ]
    entries = await service.service.archive.audit.after(0, 99)
    assert [entry.action for entry in entries] == ["user.created", "session.begun"]
    for shown in (*map(repr, entries), *(f"{a.headers} {a.text}" for a in answers)):
        assert secret not in shown


async def test_authenticating_a_session_is_cheap(service: Running) -> None:
    ada = await add_user(service.service)
    sessions = service.service.identity.sessions
    cookie = await sessions.begin(ada, None, None)
    best = 1.0
    for _ in range(5):
        started = time.thread_time()
        for _ in range(100):
            await sessions.authenticate(cookie)
        best = min(best, time.thread_time() - started)
    assert best / 100 < 20e-6


async def test_a_person_is_told_about_the_rate_limit_of_their_account() -> None:
    async with running(Service(ServiceConfig(rate_limit="1/hour"))) as service:
        cookie = await cookie_of(service.service, await add_user(service.service, Role.viewer))
        assert await status(service, cookie) == 200
        answer = await service.anonymous.get("/v1/kinds", headers=cookie)
        assert answer.json()["detail"] == (
            f"The rate limit of your account is 1 per 1 hour. Retry in "
            f"{answer.headers['Retry-After']} s."
        )
