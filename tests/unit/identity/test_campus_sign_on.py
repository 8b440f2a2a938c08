"""Sign-in at the campus: who is believed, and what a provider that lies or fails gets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.jwk import RSAKey

from flashnotify.archive.identity_records import User
from flashnotify.channels.net.http_connection import Answer
from flashnotify.domain import Role
from flashnotify.errors import FlashNotifyError, NotPermitted, Unavailable
from flashnotify.identity.audit import Actor, Audit
from flashnotify.identity.campus_sign_on import CampusSignOn
from flashnotify.identity.openid_provider import OpenIdProvider
from flashnotify.identity.users import Users
from tests.support.archives import Archive
from tests.support.lying_provider import CLIENT, ISSUER, LyingProvider, forged, json_answer
from tests.support.passwords import cheap_passwords

CALLBACK = "https://notify.univ.example/sign-in/campus/callback"
ROLES = {("groups", "it"): Role.admin, ("groups", "press"): Role.viewer, ("kind", "s"): Role.sender}


class Campus:
    """A sign-on with a provider that may lie."""

    def __init__(self, archive: Archive, passwords: Any) -> None:
        self.archive, clock = archive, archive.clock
        self.lies = LyingProvider(clock)
        provider = OpenIdProvider(ISSUER, CLIENT, "hunter2 &", self.lies, clock)  # type: ignore[arg-type]  # stands for the connections
        audit, stored = Audit(archive.ports.audit, clock), archive.ports.users
        self.users = Users(stored, passwords, audit, clock, archive.ids)
        key = b"k" * 32
        self.sign_on = CampusSignOn(
            provider, CALLBACK, stored, self.users, audit, key, ROLES, create_users=True
        )

    async def sign_in(self, **changes: str) -> User:
        started = await self.sign_on.begin("/docs")
        answer = self.lies.visit(started.url) | changes
        user, wanted = await self.sign_on.finish(answer, started.cookie, "192.0.2.1")
        assert wanted == "/docs"
        return user

    async def refusal(self, **changes: str) -> str:
        with pytest.raises(FlashNotifyError) as failure:
            await self.sign_in(**changes)
        return failure.value.code

    async def add(self, **fields: Any) -> User:
        wanted = {"name": "Ada", "role": Role.sender, **fields}
        return await self.users.create(Actor("local"), wanted)

    def reasons(self) -> list[str]:
        sql = "SELECT json_extract(details, '$.reason') FROM audit WHERE action = 'session.refused'"
        return [reason for (reason,) in self.archive.rows(sql)]


@pytest.fixture
def campus(archive: Archive) -> Any:
    with cheap_passwords() as passwords:
        yield Campus(archive, passwords)


async def test_a_sign_on_asks_with_pkce_state_and_nonce(campus: Campus) -> None:
    started = await campus.sign_on.begin("/docs")
    asked = {name: value for name, (value,) in parse_qs(urlsplit(started.url).query).items()}
    assert started.url.startswith(f"{ISSUER}/authorize?")
    assert (asked["code_challenge_method"], asked["response_type"]) == ("S256", "code")
    assert (asked["redirect_uri"], asked["client_id"]) == (CALLBACK, CLIENT)
    assert "openid" in asked["scope"].split()
    await campus.sign_on.finish(campus.lies.visit(started.url), started.cookie, None)
    _, headers, form = next(each for each in campus.lies.asked if each[0] == "/token")
    assert create_s256_code_challenge(form["code_verifier"]) == asked["code_challenge"]
    assert headers["Authorization"] == "Basic Zmxhc2hub3RpZnk6aHVudGVyMiUyMCUyNg=="
    assert "client_secret" not in form


@pytest.mark.parametrize(
    ("ways", "in_form"),
    [
        (["client_secret_basic", "client_secret_post"], False),
        (["client_secret_post"], True),
        (["private_key_jwt"], False),
    ],
)
async def test_the_client_proves_itself_as_the_provider_prefers(
    campus: Campus, ways: list[str], in_form: bool
) -> None:
    campus.lies.metadata = {"token_endpoint_auth_methods_supported": ways}
    await campus.sign_in()
    _, headers, form = next(each for each in campus.lies.asked if each[0] == "/token")
    assert ("client_secret" in form, "Authorization" in headers) == (in_form, not in_form)


async def test_a_known_person_is_found_by_id_then_by_verified_email(campus: Campus) -> None:
    ada = await campus.add(external_id="etu1", email="ada@univ.example")
    bob = await campus.add(name="Bob", email="bob@univ.example")
    campus.lies.userinfo = {"email": "bob@univ.example", "email_verified": True}
    assert (await campus.sign_in()).id == ada.id
    campus.lies.codes.add("code")
    campus.lies.claims = {"sub": "etu2"}
    campus.lies.userinfo |= {"sub": "etu2"}
    found = await campus.sign_in()
    assert (found.id, found.external_id) == (bob.id, "etu2")
    campus.lies.codes.add("code")
    campus.lies.claims = {"sub": "etu3"}
    campus.lies.userinfo |= {"sub": "etu3"}
    assert await campus.refusal() == "unknown_at_campus"
    assert campus.reasons() == ["other_person"]


@pytest.mark.parametrize("verified", [False, None, "true", 1])
async def test_an_email_that_is_not_verified_finds_nobody(campus: Campus, verified: object) -> None:
    ada = await campus.add(email="ada@univ.example", role=Role.admin)
    campus.lies.userinfo = {"email": "ada@univ.example", "email_verified": verified}
    made = await campus.sign_in()
    assert made.id != ada.id
    assert (made.email, made.role) == (None, Role.sender)


async def test_a_person_is_created_with_the_role_of_their_claims(campus: Campus) -> None:
    campus.lies.claims = {"groups": ["press", "it"], "name": "Zoé\x00 Petit"}
    campus.lies.userinfo = {"email": "zoe@univ.example", "email_verified": True}
    made = await campus.sign_in()
    shown = (made.name, made.email, made.external_id, made.role)
    assert shown == ("Zoé Petit", "zoe@univ.example", "etu1", Role.admin)
    campus.lies.codes.add("code")
    await campus.add(role=Role.admin)
    campus.lies.claims = {"groups": ["press"]}
    assert (await campus.sign_in()).role is Role.viewer


async def test_a_role_that_the_campus_no_longer_gives_is_taken_away(campus: Campus) -> None:
    ada = await campus.add(role=Role.admin, external_id="etu1")
    await campus.add(role=Role.admin)
    found = await campus.sign_in()
    assert (found.id, found.role) == (ada.id, Role.sender)


async def test_a_role_that_no_claim_can_give_stays(campus: Campus) -> None:
    campus.sign_on = replace(campus.sign_on, roles={("kind", "s"): Role.admin})
    await campus.add(role=Role.viewer, external_id="etu1")
    assert (await campus.sign_in()).role is Role.viewer


async def test_the_last_admin_gets_their_id_all_the_same(campus: Campus) -> None:
    await campus.add(role=Role.admin, email="ada@univ.example")
    campus.lies.userinfo = {"email": "ada@univ.example", "email_verified": True}
    found = await campus.sign_in()
    assert (found.role, found.external_id) == (Role.admin, "etu1")


async def test_a_sign_on_is_remembered(campus: Campus) -> None:
    for _ in range(2):
        campus.lies.codes.add("code")
        made = await campus.sign_in()
        stored = await campus.users.find(made.id)
        assert stored.last_seen_at == campus.archive.clock.now()
        await campus.archive.clock.advance(1)


@pytest.mark.parametrize("email", ["nobody", "a\ud800@univ.example", "a@b@c", "a@" + "x" * 400])
async def test_an_email_that_is_none_is_refused(campus: Campus, email: str) -> None:
    campus.lies.userinfo = {"email": email, "email_verified": True}
    assert await campus.refusal() == "sign_on_refused"
    assert campus.reasons() == ["invalid_email"]


@pytest.mark.parametrize("subject", ["a\nb", "a\x00"])
async def test_a_subject_that_nothing_can_hold_is_refused(campus: Campus, subject: str) -> None:
    campus.lies.claims = {"sub": subject}
    campus.lies.userinfo = {"sub": subject}
    assert await campus.refusal() == "sign_on_refused"
    assert campus.reasons() == ["invalid_subject"]


async def test_nobody_fills_the_audit_log_with_answers_to_no_sign_on(campus: Campus) -> None:
    for address in ["192.0.2.1"] * 100 + ["192.0.2.2"]:
        with pytest.raises(NotPermitted):
            await campus.sign_on.finish({}, None, address)
    assert campus.reasons() == ["outdated"] * 51
    assert (await campus.sign_in()).external_id == "etu1"


async def test_the_last_admin_stays_one(campus: Campus) -> None:
    await campus.add(role=Role.admin, external_id="etu1")
    campus.lies.claims = {"groups": ["press"]}
    assert (await campus.sign_in()).role is Role.admin


async def test_strangers_and_inactive_people_stay_out(campus: Campus) -> None:
    campus.sign_on = replace(campus.sign_on, create_users=False)
    assert await campus.refusal() == "unknown_at_campus"
    ada = await campus.add(external_id="etu1")
    await campus.users.set_active(Actor("local"), ada.id, False)
    campus.lies.codes.add("code")
    assert await campus.refusal() == "unknown_at_campus"
    assert campus.reasons() == ["unknown_user", "inactive"]


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"azp": "another"},
        {"nonce": "another"},
        {"exp": 1_700_000_000},
        {"iat": 1_900_000_000},
        {"nbf": 1_900_000_000},
        {"exp": "never"},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"at_hash": "wrong"},
    ],
)
async def test_wrong_claims_are_refused(campus: Campus, claims: dict[str, Any]) -> None:
    campus.lies.claims = claims
    assert await campus.refusal() == "sign_on_refused"
    assert campus.reasons() == ["invalid_answer"]


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "exp", "iat", "nonce"])
async def test_missing_claims_are_refused(campus: Campus, name: str) -> None:
    campus.lies.without = {name}
    assert await campus.refusal() == "sign_on_refused"


async def test_forged_signatures_are_refused(campus: Campus) -> None:
    lies = campus.lies
    lies.signed_by = RSAKey.generate_key(2048, {"kid": "1"})
    assert await campus.refusal() == "sign_on_refused"
    now = campus.archive.clock.now() // 1000
    secrets = (None, lies.key.as_der(private=False), lies.key.as_pem(private=False), b"hunter2 &")
    for secret in secrets:
        lies.codes.add("code")
        started = await campus.sign_on.begin("/")
        answer = lies.visit(started.url)
        claims = {"iss": ISSUER, "aud": CLIENT, "sub": "etu1", "iat": now, "exp": now + 9}
        lies.id_token = forged(claims | {"nonce": lies.nonce}, secret)
        with pytest.raises(NotPermitted):
            await campus.sign_on.finish(answer, started.cookie, None)
    for token in ("x", "a.b.c", 7, {"a": "b"}):
        lies.codes.add("code")
        lies.id_token = token
        assert await campus.refusal() == "sign_on_refused"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "another"}, "wrong_state"),
        ({"state": "é\udcff"}, "wrong_state"),
        ({"iss": "https://evil.example"}, "wrong_issuer"),
        ({"code": "another"}, "invalid_answer"),
    ],
)
async def test_wrong_answers_are_refused(
    campus: Campus, changes: dict[str, str], reason: str
) -> None:
    assert await campus.refusal(**changes) == "sign_on_refused"
    assert campus.reasons() == [reason]


async def test_an_answer_belongs_to_the_browser_that_asked(campus: Campus) -> None:
    mine, other = await campus.sign_on.begin("/"), await campus.sign_on.begin("/")
    answer = campus.lies.visit(mine.url)
    for cookie in (None, "", "x", other.cookie, mine.cookie[:-1], mine.cookie + "A"):
        with pytest.raises(NotPermitted):
            await campus.sign_on.finish(answer, cookie, None)
    await campus.sign_on.finish(answer, mine.cookie, None)
    with pytest.raises(NotPermitted):  # the same code again
        await campus.sign_on.finish(answer, mine.cookie, None)


async def test_whom_the_provider_refuses_is_not_signed_in(campus: Campus) -> None:
    started = await campus.sign_on.begin("/")
    answer = {"state": campus.lies.visit(started.url)["state"], "error": "access_denied"}
    with pytest.raises(NotPermitted):
        await campus.sign_on.finish(answer, started.cookie, None)


async def test_userinfo_of_another_is_refused(campus: Campus) -> None:
    campus.lies.userinfo = {"sub": "etu2"}
    assert await campus.refusal() == "sign_on_refused"


async def test_a_new_key_is_fetched_but_not_for_every_forged_token(campus: Campus) -> None:
    await campus.sign_in()
    campus.lies.key = RSAKey.generate_key(2048, {"kid": "2"})
    campus.lies.headers = {"kid": "2"}
    for _ in range(3):
        campus.lies.codes.add("code")
        assert await campus.refusal() == "sign_on_refused"
    assert [path for path, _, _ in campus.lies.asked].count("/jwks") == 1
    await campus.archive.clock.advance(60)
    campus.lies.codes.add("code")
    await campus.sign_in()
    assert [path for path, _, _ in campus.lies.asked].count("/jwks") == 2


BROKEN: list[Answer | Exception] = [
    TimeoutError(),
    ConnectionRefusedError(),
    json_answer({}, 500),
    json_answer([]),
    Answer(b"HTTP/1.1", 200, [], bytearray(b"<html>"), True),
    Answer(b"HTTP/1.1", 200, [], bytearray(b"{}"), False),
    Answer(b"HTTP/1.1", 302, [(b"location", b"https://evil.example")], bytearray(b"{}"), True),
    Answer(b"HTTP/1.1", 200, [], bytearray(b"[" * 60_000), True),
]


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize(
    "path", ["/.well-known/openid-configuration", "/token", "/jwks", "/userinfo"]
)
async def test_a_provider_that_fails_is_unavailable(
    campus: Campus, path: str, broken: Answer | Exception
) -> None:
    campus.lies.answers[path] = broken
    with pytest.raises(Unavailable) as failure:
        await campus.sign_in()
    assert failure.value.code == "sign_on_unavailable"
    assert campus.archive.one("SELECT count(*) FROM users") == 0


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://login.univ.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
        {"userinfo_endpoint": "file:///etc/passwd"},
    ],
)
async def test_wrong_metadata_are_refused(campus: Campus, metadata: dict[str, Any]) -> None:
    campus.lies.metadata = metadata
    with pytest.raises(Unavailable):
        await campus.sign_in()
