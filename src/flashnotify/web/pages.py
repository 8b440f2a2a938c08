"""What all pages share: who looks, in what language, what proves a form, and errors as pages."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, format_timedelta
from jinja2 import Environment, FileSystemLoader, Template
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from flashnotify.api.browser_sessions import SESSION, BrowserSessions
from flashnotify.api.client_address import client_address
from flashnotify.api.headers import header
from flashnotify.api.path_prefix import link
from flashnotify.domain import moment
from flashnotify.errors import (
    FlashNotifyError,
    NotAuthenticated,
    NotPermitted,
    RateLimited,
    Unavailable,
)
from flashnotify.identity.audit import Actor
from flashnotify.identity.sessions import SignedIn
from flashnotify.web.csrf import FormTokens
from flashnotify.web.forms import read_form
from flashnotify.web.languages import Language, Languages
from flashnotify.web.stylesheet import stylesheet_url

# The cookie that forms are bound to before there is a session.
VISIT = "flashnotify-visit"
_POLICY = (
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(slots=True)
class Visit:
    """A request of a browser: who is signed in, the language, the form that it sends."""

    pages: "Pages"
    request: Request
    signed_in: SignedIn | None
    language: Language
    # What the tokens of forms are bound to.
    cookie: str
    form: Mapping[str, str] = field(default_factory=dict)
    # Of the script in the page; most pages have none.
    nonce: str = ""

    @property
    def address(self) -> str | None:
        """The network address of the browser."""
        return client_address(self.request.scope, self.request.app.state.proxies)

    def require_signed_in(self) -> tuple[SignedIn, Actor]:
        """Return who is signed in. Raise `NotAuthenticated` if nobody is."""
        if self.signed_in is None:
            raise NotAuthenticated("Sign in first.")
        return self.signed_in, Actor(self.signed_in.principal.id, self.address)

    def show(self, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page."""
        return self.pages.render(self, template, status, values)

    def wait(self, error: RateLimited | Unavailable, template: str, /, **values: Any) -> Response:
        """Return a page that says with `wait` when to try again."""
        wait = duration(self, error.retry_after)
        response = self.show(template, error.status, wait=wait, **values)
        response.headers["Retry-After"] = str(error.retry_after)
        return response

    def fail(self, error: FlashNotifyError) -> Response:
        """Return the page about an error."""
        shown = {"error": error, "request_id": self.request.scope["state"]["request_id"]}
        if isinstance(error, RateLimited | Unavailable):
            return self.wait(error, "error.html", **shown)
        return self.show("error.html", error.status, **shown)


Endpoint: TypeAlias = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True)
class Pages:
    """Renders pages, and runs the endpoints that answer with them."""

    browsers: BrowserSessions
    tokens: FormTokens
    languages: Languages
    zone: tzinfo
    # The ways to sign in.
    by_password: bool = True
    by_campus: bool = False
    # By the names of their files, once one is needed.
    templates: dict[str, Template] = field(default_factory=dict)

    def endpoint(self, answer: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        """Return the endpoint of a page, or of a form, whose token is checked first."""

        async def serve(request: Request) -> Response:
            if not self.templates:
                await self._compile()
            visit = await self._visit(request)
            try:
                if request.method == "POST":
                    await self._read_form(visit)
                response = await answer(visit)
            except NotAuthenticated:
                response = see_other(_sign_in_first(request))
            except FlashNotifyError as error:
                response = visit.fail(error)
            script = f"; script-src 'nonce-{visit.nonce}'" if visit.nonce else ""
            response.headers.update(_HEADERS | {"Content-Security-Policy": _POLICY + script})
            return response

        return serve

    async def _visit(self, request: Request) -> Visit:
        cookies, signed_in = self.browsers.cookies, None
        with suppress(NotAuthenticated):
            signed_in = await self.browsers.find(request)
        own = signed_in.user.locale if signed_in is not None else None
        language = self.languages.best(own, header(request.scope, b"accept-language"))
        cookie = cookies.get(request, SESSION if signed_in is not None else VISIT)
        return Visit(self, request, signed_in, language, cookie or "")

    async def _read_form(self, visit: Visit) -> None:
        self.browsers.require_same_origin(visit.request)
        visit.form = await read_form(visit.request)
        if visit.cookie and self.tokens.fits(visit.form.get("token", ""), visit.cookie):
            return
        if visit.signed_in is None:
            raise NotAuthenticated("The session that the form belongs to has ended.")
        raise NotPermitted("This form is out of date. Load it again.", code="outdated_form")

    def render(
        self, visit: Visit, template: str, status: int, values: Mapping[str, Any]
    ) -> Response:
        """Return a page of a template, which has `_` to translate and `token` for its forms."""
        is_new = not visit.cookie
        if is_new:
            visit.cookie = secrets.token_urlsafe(16)
        shared = {
            "_": visit.language.translate,
            "language": visit.language.tag,
            "link": link,
            "stylesheet": stylesheet_url(),
            "signed_in": visit.signed_in,
            "nonce": visit.nonce,
            "by_password": self.by_password,
            "by_campus": self.by_campus,
            "token": self.tokens.make(visit.cookie),
            "time": lambda ms: self._time(visit, ms),
        }
        html = self.templates[template].render(shared | dict(values))
        response = HTMLResponse(html, status)
        response.headers["Content-Language"] = visit.language.tag
        if is_new:
            self.browsers.cookies.set(response, VISIT, visit.cookie)
        return response

    def _time(self, visit: Visit, ms: int) -> str:
        """Return a time as the person writes it, in their time zone."""
        own = visit.signed_in and visit.signed_in.user.timezone
        zone = ZoneInfo(own) if own else self.zone
        local: datetime = moment(ms).astimezone(zone)
        return format_datetime(local, "medium", locale=visit.language.tag)

    async def _compile(self) -> None:
        """Compile the templates: in a thread, since it takes tens of milliseconds."""
        self.templates.update(await asyncio.to_thread(_compiled))


def _compiled() -> Mapping[str, Template]:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    jinja = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, auto_reload=False
    )
    return {name: jinja.get_template(name) for name in jinja.list_templates()}


def _sign_in_first(request: Request) -> str:
    """Return the page at which to sign in, and from there on to the page that was asked for."""
    if request.method == "GET":
        return f"/sign-in?next={quote(request.scope['path'], safe='')}"
    return "/sign-in?notice=outdated"


def duration(visit: Visit, seconds: int) -> str:
    """Return a duration in words."""
    return format_timedelta(seconds, threshold=1.5, locale=visit.language.tag)


def see_other(path: str) -> Response:
    """Return the answer that sends a browser to a path of ours."""
    return RedirectResponse(link(path), HTTPStatus.SEE_OTHER)
