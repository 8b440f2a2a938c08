"""A request of a browser: who looks, in what language, and the page in answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from babel.dates import format_timedelta
from starlette.requests import Request
from starlette.responses import Response

from flashnotify.api.client_address import client_address
from flashnotify.errors import FlashNotifyError, NotAuthenticated, RateLimited, Unavailable
from flashnotify.identity.audit import Actor
from flashnotify.identity.sessions import SignedIn
from flashnotify.web.languages import Language

if TYPE_CHECKING:
    from flashnotify.web.pages import Pages


@dataclass(slots=True)
class Visit:
    """A request of a browser: who is signed in, the language, the form that it sends."""

    pages: Pages
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


def duration(visit: Visit, seconds: int) -> str:
    """Return a duration in words."""
    return format_timedelta(seconds, threshold=1.5, locale=visit.language.tag)
