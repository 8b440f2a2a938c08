"""The style sheet, at a URL that changes with it."""

import hashlib
from functools import cache
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from flashnotify.api.path_prefix import link
from flashnotify.errors import NotFound

_FILE = Path(__file__).parent / "static" / "style.css"
_PATH = "/static/{name}"
# Another content has another URL.
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}


@cache
def _content() -> bytes:
    return _FILE.read_bytes()


@cache
def _name() -> str:
    return f"style-{hashlib.sha256(_content()).hexdigest()[:16]}.css"


def stylesheet_url() -> str:
    """Return the URL of the style sheet for the client of the request in progress."""
    return link(_PATH.format(name=_name()))


def stylesheet_router() -> APIRouter:
    """Return the endpoint of the style sheet."""
    router = APIRouter()

    async def serve(request: Request) -> Response:
        if request.path_params["name"] != _name():
            raise NotFound("This style sheet belongs to another version. Reload the page.")
        return Response(_content(), media_type="text/css", headers=_HEADERS)

    router.add_route(_PATH, serve, ["GET"], include_in_schema=False)
    return router
