"""Signing in at `serve` with a browser: its cookie then serves the API and the event stream."""

import httpx

from flashnotify.api.browser_sessions import SESSION
from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.faults.serving import serving
from tests.support.passwords import GOOD
from tests.support.running import ACADEMIC
from tests.support.signing_in import OWN_PAGE
from tests.support.visitor import Visitor


async def test_a_browser_signs_in_works_and_signs_out() -> None:
    async with serving(Service(ServiceConfig())) as serve:
        ada = {"name": "Ada", "role": "sender", "email": "a@univ.example", "kinds": ["academic"]}
        made = await serve.admin.post("/v1/users", json=ada | {"password": GOOD})
        assert made.status_code == 201
        transport = httpx.AsyncHTTPTransport()
        browser = Visitor(transport, str(serve.http.base_url))
        async with browser.http as http:
            page = await browser.sign_in("a@univ.example", GOOD)
            assert (page.status_code, page.url.path) == (200, "/account")
            sent = await http.post("/v1/notifications", json=ACADEMIC, headers=OWN_PAGE)
            assert sent.status_code == 202
            assert (await http.post("/v1/notifications", json=ACADEMIC)).status_code == 403
            (session,) = (await http.get("/v1/auth/sessions")).json()["items"]
            assert (session["address"], session["current"]) == ("127.0.0.1", True)
            copy = {"Cookie": f"{SESSION}={http.cookies[SESSION]}"}
            page = await browser.send("/sign-out")
            assert page.url.path == "/sign-in"
            # A copy of the cookie is worth nothing any more.
            answer = await http.get("/v1/auth/sessions", headers=copy)
            assert answer.status_code == 401
