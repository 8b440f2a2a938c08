"""The pages at which people sign in, see who they are, and sign out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from flashnotify.api.browser_sessions import SESSION
from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from flashnotify.web.pages import VISIT
from tests.support.manual_clock import ManualClock
from tests.support.passwords import GOOD
from tests.support.running import Running, running
from tests.support.signing_in import OWN_PAGE
from tests.support.visitor import Visitor, forms, text_of

LOGIN = "ada@univ.example"
BETTER = "orange kettle drum 48"
POLICY = "content-security-policy"


def visitor_of(service: Running) -> Visitor:
    return Visitor(service.anonymous._transport)


@pytest.fixture
async def ada(service: Running) -> Any:
    return await add_ada(service)


async def add_ada(service: Running, **more: Any) -> Any:
    wanted = {
        "name": "Ada <b>Lovelace</b>",
        "role": "sender",
        "email": LOGIN,
        "kinds": ["academic", "weather"],
        "password": GOOD,
    }
    answer = await service.http.post("/v1/users", json=wanted | more)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
async def visitor(service: Running, ada: Any) -> AsyncIterator[Visitor]:
    made = visitor_of(service)
    async with made.http:
        yield made


def path(page: httpx.Response) -> str:
    return page.url.raw_path.decode()


async def test_a_person_signs_in_sees_who_they_are_and_signs_out(visitor: Visitor) -> None:
    page = await visitor.open("/")
    assert (page.status_code, path(page)) == (200, "/sign-in")
    page = await visitor.send("/sign-in", login=f" {LOGIN} ", password=GOOD)
    assert (page.status_code, path(page)) == (200, "/account")
    for words in ("Ada &lt;b&gt;Lovelace", "Sender", LOGIN, "academic, weather", "this one"):
        assert words in page.text
    assert path(await visitor.open("/")) == "/account"
    page = await visitor.send("/sign-out")
    assert path(page) == "/sign-in?notice=signed-out"
    assert "You are signed out." in visitor.text
    assert path(await visitor.open("/account")) == "/sign-in?next=%2Faccount"
    assert SESSION not in visitor.http.cookies


@pytest.mark.parametrize("login", [LOGIN, "nobody@univ.example"])
async def test_a_wrong_password_keeps_the_address(visitor: Visitor, login: str) -> None:
    await visitor.open("/sign-in?next=/docs")
    page = await visitor.send("/sign-in", login=login, password="wrong")
    assert page.status_code == 422
    assert "The address or the password is wrong." in visitor.text
    (form,) = forms(page)["/sign-in"]
    assert (form["login"], form["password"], form["next"]) == (login, "", "/docs")
    assert 'aria-describedby="wrong"' in page.text
    assert "<title>Error: Sign in" in page.text
    page = await visitor.send("/sign-in", login=LOGIN, password=GOOD)
    assert path(page) == "/docs"


async def test_who_guesses_is_told_when_to_try_again(visitor: Visitor) -> None:
    await visitor.open("/sign-in")
    for _ in range(6):
        await visitor.send("/sign-in", login=LOGIN, password="wrong")
    page = visitor.page
    assert page.status_code == 429
    assert int(page.headers["retry-after"]) > 0
    assert "Too many attempts failed. Try again in 1 second." in visitor.text
    assert forms(page)["/sign-in"][0]["login"] == LOGIN
    await visitor.open("/sign-in", **{"Accept-Language": "fr"})
    await visitor.send("/sign-in", OWN_PAGE | {"Accept-Language": "fr"}, login=LOGIN, password="x")
    assert "Réessayez dans 1 seconde." in visitor.text


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example", "/\\evil.example", "https://evil.example", "https:evil.example", "\t//evil"],
)
async def test_signing_in_never_leads_elsewhere(visitor: Visitor, elsewhere: str) -> None:
    await visitor.open(f"/sign-in?next={quote(elsewhere, safe='')}")
    assert forms(visitor.page)["/sign-in"][0]["next"] == "/account"
    page = await visitor.send("/sign-in", login=LOGIN, password=GOOD, next=elsewhere)
    assert str(page.url) == "http://test/account"
    page = await visitor.open(f"/sign-in?next={quote(elsewhere, safe='')}")
    assert str(page.url) == "http://test/account"


async def test_signing_in_keeps_no_cookie_from_before(visitor: Visitor, service: Running) -> None:
    await visitor.sign_in(LOGIN, GOOD)
    cookies = [visitor.http.cookies[SESSION], "A" * 43]
    for planted in cookies:
        victim = visitor_of(service)
        await victim.open("/sign-in")
        # Somebody plants a cookie in the browser: a session of their own, or one of their choice.
        headers = {"Cookie": f"{SESSION}={planted}; {victim_cookie(victim)}"}
        form = forms(victim.page)["/sign-in"][0] | {"login": LOGIN, "password": GOOD}
        answer = await victim.http.post(
            "/sign-in", data=form, headers=OWN_PAGE | headers, follow_redirects=False
        )
        await victim.http.aclose()
        begun = [header for header in set_cookies(answer) if header.startswith(SESSION)]
        assert not any(planted in header for header in begun)
        # A form that was made for nobody is not taken from somebody who is signed in.
        assert (answer.status_code, len(begun)) == ((303, 1) if set(planted) == {"A"} else (403, 0))


def victim_cookie(victim: Visitor) -> str:
    return f"{VISIT}={victim.http.cookies[VISIT]}"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
    ],
)
@pytest.mark.parametrize("action", ["/sign-in", "/sign-out"])
async def test_forms_of_other_sites_are_refused(
    visitor: Visitor, service: Running, headers: dict[str, str], action: str
) -> None:
    await visitor.open("/sign-in")
    if action == "/sign-out":
        await visitor.send("/sign-in", login=LOGIN, password=GOOD)
    page = await visitor.send(action, headers, login=LOGIN, password=GOOD)
    assert page.status_code == 403
    assert "This is not allowed" in visitor.text
    assert (path(await visitor.open("/")) == "/account") is (action == "/sign-out")


@pytest.mark.parametrize("token", ["", "00", None])
async def test_a_form_needs_the_token_of_its_session(
    visitor: Visitor, service: Running, token: str | None
) -> None:
    other = visitor_of(service)
    await other.sign_in(LOGIN, GOOD)
    theirs = forms(other.page)["/sign-out"][0]["token"] if token is None else token
    await other.http.aclose()
    await visitor.open("/sign-in")
    page = await visitor.send("/sign-in", login=LOGIN, password=GOOD, token=theirs)
    assert path(page) == "/sign-in?notice=outdated"
    assert "out of date" in visitor.text
    await visitor.send("/sign-in", login=LOGIN, password=GOOD)
    page = await visitor.send("/sign-out", token=theirs)
    assert page.status_code == 403
    assert "This form is out of date" in visitor.text
    assert path(await visitor.open("/")) == "/account"


async def test_sessions_are_ended_one_by_one_or_all_others(
    visitor: Visitor, service: Running
) -> None:
    others = [visitor_of(service) for _ in range(3)]
    for each in others:
        await each.sign_in(LOGIN, GOOD)
    await visitor.sign_in(LOGIN, GOOD)
    assert len(forms(visitor.page)["/account/sessions/end"]) == 4
    await visitor.send("/account/sessions/end", which=1)
    assert len(forms(visitor.page)["/account/sessions/end"]) == 3
    assert path(await others[2].open("/account")).startswith("/sign-in")
    assert path(await others[0].open("/account")) == "/account"
    await visitor.send("/account/sessions/end-others")
    assert len(forms(visitor.page)["/account/sessions/end"]) == 1
    assert "/account/sessions/end-others" not in forms(visitor.page)
    for each in others:
        assert path(await each.open("/account")).startswith("/sign-in")
        await each.http.aclose()


async def test_a_session_of_another_is_not_found(visitor: Visitor, service: Running) -> None:
    await add_ada(service, email="bob@univ.example")
    bob = visitor_of(service)
    await bob.sign_in("bob@univ.example", GOOD)
    (theirs,) = forms(bob.page)["/account/sessions/end"]
    await visitor.sign_in(LOGIN, GOOD)
    page = await visitor.send("/account/sessions/end", id=theirs["id"])
    assert page.status_code == 404
    assert "There is nothing here" in visitor.text
    assert path(await bob.open("/account")) == "/account"
    await bob.http.aclose()


async def test_a_new_password_ends_the_other_sessions(
    visitor: Visitor, service: Running, clock: ManualClock
) -> None:
    other = visitor_of(service)
    await other.sign_in(LOGIN, GOOD)
    await visitor.sign_in(LOGIN, GOOD)
    before = visitor.http.cookies[SESSION]
    await clock.advance(1)
    page = await visitor.send("/account/password", current="wrong", new=BETTER)
    assert (page.status_code, "This is not your password." in visitor.text) == (422, True)
    for weak, words in (("short", "too short"), ("password1234", "easy to guess")):
        page = await visitor.send("/account/password", current=GOOD, new=weak)
        assert (page.status_code, words in visitor.text) == (422, True)
    page = await visitor.send("/account/password", current=GOOD, new=BETTER)
    assert path(page) == "/account?notice=password"
    assert "Your password is changed." in visitor.text
    assert visitor.http.cookies[SESSION] != before
    begun = (await service.service.archive.audit.after(0, 99))[-1]
    assert (begun.action, len(begun.details["replaced"])) == ("session.begun", 1)
    assert path(await other.open("/account")).startswith("/sign-in")
    await other.send("/sign-in", login=LOGIN, password=BETTER)
    assert path(other.page) == "/account"
    await other.http.aclose()


async def test_pages_have_strict_headers(visitor: Visitor, service: Running) -> None:
    pages = [
        await visitor.open("/sign-in"),
        await visitor.send("/sign-in", login=LOGIN, password="wrong"),
        await visitor.send("/sign-in", {}, login=LOGIN, password=GOOD),
        await visitor.sign_in(LOGIN, GOOD),
        await service.anonymous.get("/account"),
    ]
    assert [page.status_code for page in pages] == [200, 422, 403, 200, 303]
    for page in pages:
        policy = page.headers[POLICY]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<script|\son\w+=|\sstyle=|javascript:", page.text)


async def test_cookies_are_out_of_reach_of_scripts_and_other_sites(
    visitor: Visitor, service: Running
) -> None:
    await visitor.open("/sign-in")
    await visitor.send("/sign-in", login=LOGIN, password=GOOD)
    headers = [header for page in visitor.page.history for header in set_cookies(page)]
    assert len(headers) == 2
    for header in headers:
        assert "; HttpOnly;" in header
        assert header.endswith("; Path=/; SameSite=lax")
    config = ServiceConfig(public_url="https://test", database_url="sqlite:///other.db")
    async with running(Service(config)) as secured:
        await add_ada(secured)
        there = Visitor(secured.anonymous._transport, "https://test")
        await there.open("/sign-in")
        await there.send("/sign-in", login=LOGIN, password=GOOD)
        assert path(there.page) == "/account"
        for header in (h for page in there.page.history for h in set_cookies(page)):
            assert header.startswith("__Host-")
            assert "; HttpOnly;" in header
            assert header.endswith("; Path=/; SameSite=lax; Secure")
        await there.http.aclose()


def set_cookies(page: httpx.Response) -> list[str]:
    return page.headers.get_list("set-cookie")


async def test_pages_speak_the_language_of_the_person(visitor: Visitor, service: Running) -> None:
    page = await visitor.open("/sign-in", **{"Accept-Language": "fr-CA, en;q=0.5"})
    assert '<html lang="fr">' in page.text
    assert page.headers["content-language"] == "fr"
    assert "Mot de passe" in page.text
    await add_ada(service, email="zoe@univ.example", locale="fr", timezone="Europe/Paris")
    await visitor.sign_in("zoe@univ.example", GOOD)
    await visitor.open("/account", **{"Accept-Language": "en"})
    assert "Où vous êtes connecté(e)" in visitor.text
    assert "Envoyer des notifications" in visitor.text


async def test_pages_work_under_a_path() -> None:
    async with running(Service(ServiceConfig(public_url="http://test/notify"))) as service:
        await add_ada(service)
        visitor = visitor_of(service)
        await visitor.open("/notify/account")
        assert path(visitor.page) == "/notify/sign-in?next=%2Faccount"
        page = await visitor.send("/notify/sign-in", login=LOGIN, password=GOOD)
        assert path(page) == "/notify/account"
        links = re.findall(r"""(?:href|action)="([^"#]+)""", page.text)
        assert len(links) >= 5
        assert all(link.startswith("/notify/") for link in links)
        page = await visitor.send("/notify/sign-out")
        assert path(page) == "/notify/sign-in?notice=signed-out"
        await visitor.http.aclose()


async def test_the_style_sheet_is_kept_for_ever(visitor: Visitor) -> None:
    page = await visitor.open("/sign-in")
    (url,) = re.findall(r'rel="stylesheet" href="([^"]+)"', page.text)
    style = await visitor.http.get(url)
    assert style.headers["content-type"].startswith("text/css")
    assert "immutable" in style.headers["cache-control"]
    assert "://" not in style.text
    other = await visitor.http.get("/static/style-0.css")
    assert (other.status_code, other.json()["code"]) == (404, "not_found")


async def test_what_is_no_form_is_refused(visitor: Visitor) -> None:
    for content, type in ((b"{}", "application/json"), (b"x=%ff", None), (b"a&" * 50, None)):
        headers = OWN_PAGE | {"Content-Type": type or "application/x-www-form-urlencoded"}
        page = await visitor.http.post("/sign-in", content=content, headers=headers)
        assert page.status_code == (415 if type else 400)
        assert "This request cannot be understood" in text_of(page)
    headers = OWN_PAGE | {"Content-Type": "application/x-www-form-urlencoded"}
    page = await visitor.http.post("/sign-in", content=b"a" * 20_000, headers=headers)
    assert page.status_code == 413


async def test_a_database_that_fails_gives_a_page(
    visitor: Visitor, service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await visitor.open("/sign-in")
    service.service.writer.close()
    page = await visitor.send("/sign-in", login=LOGIN, password=GOOD)
    assert (page.status_code, page.headers["retry-after"]) == (503, "1")
    assert "Not available at the moment" in visitor.text


async def test_nothing_secret_is_in_the_log_or_the_audit_log(
    visitor: Visitor, service: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    await visitor.open("/sign-in")
    visit = visitor.http.cookies[VISIT]
    await visitor.send("/sign-in", login=LOGIN, password="canary of a wrong one")
    await visitor.send("/sign-in", login=LOGIN, password=GOOD)
    secrets = [visit, visitor.http.cookies[SESSION], GOOD, "canary of a wrong one"]
    secrets += [fields["token"] for found in forms(visitor.page).values() for fields in found]
    await visitor.send("/sign-out")
    entries = await service.service.archive.audit.after(0, 99)
    actions = [entry.action for entry in entries]
    assert actions == ["user.created", "session.refused", "session.begun", "session.ended"]
    output = capsys.readouterr()
    for secret in secrets:
        assert secret not in f"{entries} {output.out} {output.err} {visitor.page.url}"


async def test_a_forgotten_password_is_replaced_by_a_link(
    visitor: Visitor, service: Running
) -> None:
    await visitor.sign_in(LOGIN, GOOD)
    other = visitor_of(service)
    await other.open("/forgot-password")
    page = await other.send("/forgot-password", email="nobody")
    assert (page.status_code, "This is not an email address." in other.text) == (422, True)
    answers = []
    for email in ("nobody@univ.example", LOGIN):
        await other.send("/forgot-password", email=email)
        answers.append(other.text)
    assert answers[0] == answers[1]
    assert "a link is on its way" in answers[0]
    mail = await service.until("/v1/outbox?channel=email", lambda found: found["items"])
    (link,) = re.findall(r"http://\S+/reset-password#\S+", mail["items"][0]["text"])
    await other.open("/reset-password")
    assert re.search(r"script-src 'nonce-[\w-]{22}'$", other.page.headers[POLICY])
    page = await other.send("/reset-password", link=link, new="short")
    assert (page.status_code, "too short" in other.text) == (422, True)
    page = await other.send("/reset-password", new=BETTER)
    assert path(page) == "/sign-in?notice=password"
    assert path(await visitor.open("/account")).startswith("/sign-in")
    assert path(await other.send("/sign-in", login=LOGIN, password=BETTER)) == "/account"
    await other.open("/reset-password")
    page = await other.send("/reset-password", link=link, new=BETTER)
    assert (page.status_code, "not valid any more" in other.text) == (422, True)
    await other.http.aclose()


async def test_links_are_not_asked_for_without_end(visitor: Visitor) -> None:
    await visitor.open("/forgot-password")
    for _ in range(4):
        await visitor.send("/forgot-password", email="nobody@univ.example")
    assert visitor.page.status_code == 429
    assert "Too many links were asked for. Try again in 1 second." in visitor.text


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("method", "where", "status", "says"),
    [
        ("GET", "/acount", 404, "Check the address, or go back to the start."),
        ("PUT", "/sign-in", 405, "This request cannot be understood"),
        ("GET", "/static/style-0.css", 404, "There is nothing here"),
    ],
)
async def test_an_error_is_a_page_for_browsers(
    visitor: Visitor, method: str, where: str, status: int, says: str
) -> None:
    page = await visitor.http.request(method, where, headers=BROWSER)
    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert says in text_of(page)
    assert "default-src 'none'" in page.headers[POLICY]
    assert ("allow" in page.headers) == (status == 405)
    french = BROWSER | {"Accept-Language": "fr"}
    page = await visitor.http.request(method, where, headers=french)
    assert page.headers["content-language"] == "fr"
    assert page.headers["x-request-id"] in page.text


@pytest.mark.parametrize(
    ("where", "accept"),
    [
        ("/acount", "*/*"),
        ("/acount", "application/json, text/html;q=0.9"),
        ("/acount", "text/html;q=0"),
        ("/v1/nothing", BROWSER["Accept"]),
        ("/docs/nothing", BROWSER["Accept"]),
        ("/metrics/x", BROWSER["Accept"]),
    ],
)
async def test_an_error_is_a_problem_for_programs(
    visitor: Visitor, where: str, accept: str
) -> None:
    answer = await visitor.http.get(where, headers={"Accept": accept})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_nobody_expected_gives_a_page(
    visitor: Visitor, service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> None:
        raise RuntimeError

    await visitor.sign_in(LOGIN, GOOD)
    monkeypatch.setattr(service.service.identity.sessions, "authenticate", crash)
    page = await visitor.open("/account", **BROWSER)
    assert page.status_code == 500
    assert "tell your administrator the number below" in visitor.text


async def test_it_says_when_nobody_can_sign_in() -> None:
    async with running(Service(ServiceConfig(password_sign_in=False))) as service:
        page = await service.anonymous.get("/sign-in")
        assert "Nobody can sign in here at the moment." in page.text
        for path in ("/forgot-password", "/reset-password"):
            assert (await service.anonymous.get(path)).status_code == 404
