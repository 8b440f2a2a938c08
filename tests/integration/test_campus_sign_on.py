"""Sign-in at a real OpenID Connect provider, which runs as a process of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from flashnotify.api.browser_sessions import SESSION
from flashnotify.app import Service
from flashnotify.errors import NotPermitted, SettingsError
from flashnotify.settings import ServiceConfig
from tests.support.eventually import eventually
from tests.support.passwords import GOOD
from tests.support.running import Running, running
from tests.support.visitor import Visitor, forms

SECRET = "the secret of the client"
PEOPLE = (
    {"sub": "etu1", "name": "Ada Lovelace", "email": "ada@univ.example", "email_verified": True},
    {"sub": "etu2", "name": "Bob", "email": "bob@univ.example", "groups": ["it"]},
)


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def provider(port: int) -> Iterator[str]:
    """Run a provider, and return its URL."""
    people = [f"--user-claims={json.dumps(person)}" for person in PEOPLE]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", f"--port={port}"]
    with subprocess.Popen(
        [*command, "--require-nonce=true", *people],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


@pytest.fixture
async def campus(provider: str) -> AsyncIterator[Running]:
    async with httpx.AsyncClient() as http:

        async def answers() -> bool:
            try:
                return (await http.get(f"{provider}/.well-known/openid-configuration")).is_success
            except httpx.TransportError:
                return False

        await eventually(answers, bool)
    config = ServiceConfig(
        public_url="http://test",
        oidc_issuer=provider,
        oidc_client_secret=SECRET,
        oidc_create_users=True,
        oidc_roles="groups:it=admin",
        password_sign_in=False,
    )
    async with running(Service(config)) as service:
        yield service


async def sign_on(visitor: Visitor, person: str) -> dict[str, str]:
    """Sign in at the provider, and return where it sends the browser."""
    page = await visitor.http.get("/sign-in/campus?next=/docs", follow_redirects=False)
    assert page.status_code == 303
    async with httpx.AsyncClient() as elsewhere:
        answer = await elsewhere.post(page.headers["location"], data={"sub": person})
    assert answer.status_code == 302, answer.text
    back = httpx.URL(answer.headers["location"])
    assert (back.host, back.path) == ("test", "/sign-in/campus/callback")
    return dict(back.params)


async def come_back(visitor: Visitor, answer: dict[str, str]) -> httpx.Response:
    return await visitor.http.get("/sign-in/campus/callback", params=answer)


async def test_a_person_signs_in_at_the_campus(campus: Running) -> None:
    visitor = Visitor(campus.anonymous._transport)
    page = await visitor.open("/sign-in?next=/docs")
    assert "Sign in with your campus account" in visitor.text
    assert 'href="/sign-in/campus?next=/docs"' in page.text
    assert "/sign-in" not in forms(page)
    page = await come_back(visitor, await sign_on(visitor, "etu1"))
    assert (page.status_code, page.url.path) == (200, "/docs")
    await visitor.open("/account")
    assert "Ada Lovelace" in visitor.text
    assert "ada@univ.example" in visitor.text
    assert "flashnotify-sign-on" not in visitor.http.cookies
    await visitor.http.aclose()


async def test_nobody_signs_in_with_what_belongs_to_another_sign_on(campus: Running) -> None:
    mine, other = (Visitor(campus.anonymous._transport) for _ in range(2))
    answer = await sign_on(mine, "etu1")
    await sign_on(other, "etu2")
    wrong: list[tuple[Visitor, dict[str, Any]]] = [
        (other, answer),
        (other, answer),  # its cookie is gone
        (mine, answer | {"state": "x"}),
    ]
    for visitor, given in wrong:
        page = await come_back(visitor, given)
        assert page.status_code == 403
        assert "Signing in at the campus did not succeed" in page.text
        assert SESSION not in visitor.http.cookies
    answer = await sign_on(mine, "etu1")
    assert (await come_back(mine, answer | {"code": "x"})).status_code == 403
    for visitor in (mine, other):
        await visitor.http.aclose()


async def test_passwords_are_switched_off(campus: Running) -> None:
    with pytest.raises(NotPermitted) as failure:
        await campus.service.identity.sign_in.with_password("a@univ.example", GOOD, None)
    assert failure.value.code == "password_sign_in_off"


async def test_wrong_settings_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="each must be CLAIM:VALUE=ROLE"):
        ServiceConfig(oidc_roles="groups:it=root")
    with pytest.raises(SettingsError, match=r"one of admin, sender, viewer, member\."):
        ServiceConfig(oidc_roles="groups:it=service")
    monkeypatch.setenv("FLASHNOTIFY_OIDC_ISSUER", "http://127.0.0.1:9")
    with pytest.raises(SettingsError, match="OIDC_CLIENT_SECRET"):
        async with running(Service(ServiceConfig())):
            pass


async def test_a_provider_that_is_down_gives_a_page() -> None:
    config = ServiceConfig(
        public_url="http://test", oidc_issuer="http://127.0.0.1:9", oidc_client_secret=SECRET
    )
    async with running(Service(config)) as service:
        page = await service.anonymous.get("/sign-in/campus")
        assert (page.status_code, page.headers["retry-after"]) == (503, "30")
        assert "Signing in at the campus did not succeed" in page.text
        assert 'type="password"' in (await service.anonymous.get("/sign-in")).text
