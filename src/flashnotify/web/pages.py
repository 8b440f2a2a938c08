"""What all pages share: templates, what proves a form, and errors as pages."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from jinja2 import Environment, FileSystemLoader, Template
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from flashnotify.api.browser_sessions import SESSION, BrowserSessions
from flashnotify.api.headers import header
from flashnotify.api.path_prefix import link
from flashnotify.domain import moment
from flashnotify.errors import FlashNotifyError, NotAuthenticated, NotPermitted
from flashnotify.people.local_time import zone_of
from flashnotify.web.csrf import FormTokens
from flashnotify.web.forms import read_form
from flashnotify.web.languages import Languages
from flashnotify.web.stylesheet import stylesheet_url
from flashnotify.web.visit import Visit

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


Endpoint: TypeAlias = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True)
class Pages:
    """Renders pages, and runs the endpoints that answer with them."""

    browsers: BrowserSessions
    tokens: FormTokens
    languages: Languages
    zone: ZoneInfo
    # The ways to sign in.
    by_password: bool = True
    by_campus: bool = False
    # By the names of their files, once one is needed.
    templates: dict[str, Template] = field(default_factory=dict)

    def endpoint(self, answer: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        """Return the endpoint of a page, or of a form, whose token is checked first."""

        async def serve(request: Request) -> Response:
            await self.compile()
            visit = await self._visit(request)
            try:
                if request.method == "POST":
                    await self._read_form(visit)
                response = await answer(visit)
            except NotAuthenticated:
                response = see_other(_sign_in_first(request))
            except FlashNotifyError as error:
                response = visit.fail(error)
            return protected(response, visit.nonce)

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
        local: datetime = moment(ms).astimezone(zone_of(own or None, self.zone))
        return format_datetime(local, "medium", locale=visit.language.tag)

    async def compile(self) -> None:
        """Compile the templates, once: in a thread, since it takes tens of milliseconds."""
        if not self.templates:
            self.templates.update(await asyncio.to_thread(_compiled))


def _compiled() -> Mapping[str, Template]:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    jinja = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, auto_reload=False
    )
    return {name: jinja.get_template(name) for name in jinja.list_templates()}


def protected(response: Response, nonce: str = "") -> Response:
    """Return a response with the headers that keep others out. The `nonce` is its script's."""
    script = f"; script-src 'nonce-{nonce}'" if nonce else ""
    response.headers.update(_HEADERS | {"Content-Security-Policy": _POLICY + script})
    return response


def _sign_in_first(request: Request) -> str:
    """Return the page at which to sign in, and from there on to the page that was asked for."""
    if request.method == "GET":
        return f"/sign-in?next={quote(request.scope['path'], safe='')}"
    return "/sign-in?notice=outdated"


def see_other(path: str) -> Response:
    """Return the answer that sends a browser to a path of ours."""
    return RedirectResponse(link(path), HTTPStatus.SEE_OTHER)
