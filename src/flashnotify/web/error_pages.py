"""Errors outside the API, as pages for browsers: unknown paths, and what nobody expected."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flashnotify.api.browser_sessions import SESSION
from flashnotify.api.headers import by_preference, header
from flashnotify.web.pages import VISIT, Pages, protected
from flashnotify.web.visit import Visit, duration

# These answer programs, whatever they accept.
_PROGRAMS = ("v1", "docs", "healthz", "readyz", "metrics", "openapi.json")
_HTML = "text/html"
_JSON = ("application/json", "application/problem+json")


@dataclass(frozen=True, slots=True)
class ErrorPages:
    """Shows browsers a page in place of a problem (RFC 9457)."""

    pages: Pages

    async def __call__(self, request: Request, problem: Response) -> Response:
        """Return the page about a `problem`, or the problem itself if a program asked."""
        if not _is_for_people(request):
            return problem
        cookies, scope = self.pages.browsers.cookies, request.scope
        language = self.pages.languages.best(None, header(scope, b"accept-language"))
        # Who is signed in is in the database, which may be what failed.
        cookie = cookies.get(request, SESSION) or cookies.get(request, VISIT) or ""
        visit = Visit(self.pages, request, None, language, cookie)
        await self.pages.compile()
        status, wait = problem.status_code, problem.headers.get("Retry-After")
        shown = {"status": status, "code": "unknown_path" if status == 404 else ""}
        response = visit.show(
            "error.html",
            status,
            error=shown,
            request_id=scope["state"]["request_id"],
            wait=wait and duration(visit, int(wait)),
        )
        for name in ("Allow", "Retry-After"):
            if name in problem.headers:
                response.headers[name] = problem.headers[name]
        return protected(response)


def _is_for_people(request: Request) -> bool:
    """Return whether a request to a page, or to no path at all, prefers HTML."""
    first, _, _ = request.scope["path"].removeprefix("/").partition("/")
    if first in _PROGRAMS:
        return False
    accepted = by_preference(header(request.scope, b"accept") or "")
    return next((name for name in accepted if name in (_HTML, *_JSON)), None) == _HTML
