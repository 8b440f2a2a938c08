"""`/a/{token}`: the page of the link in a message, with the button that acknowledges it.

To follow the link acknowledges nothing: scanners of mail follow links, too.
"""

from fastapi import APIRouter
from starlette.responses import Response

from flashnotify.api.headers import header
from flashnotify.channels.shortening import shorten
from flashnotify.people.acknowledgements import Acknowledgements, Asked
from flashnotify.web.pages import Pages, see_other
from flashnotify.web.visit import Visit

# Characters of the body that the page shows.
_EXCERPT = 500
_MAX_TOKEN = 100


def acknowledge_router(pages: Pages, acknowledgements: Acknowledgements) -> APIRouter:
    """Return the page on which recipients acknowledge, without signing in."""
    router = APIRouter()

    async def found(visit: Visit) -> Asked:
        token = visit.request.path_params["token"][:_MAX_TOKEN]
        asked = await acknowledgements.asked(token)
        accepted = header(visit.request.scope, b"accept-language")
        visit.language = pages.languages.best(asked.locale, accepted)
        return asked

    async def show(visit: Visit) -> Response:
        asked = await found(visit)
        title, body = asked.words
        done = asked.acknowledgement
        at = done.at if done is not None else None
        excerpt = shorten(body.strip()[: _EXCERPT + 1], lambda text: len(text) <= _EXCERPT)
        path = visit.request.scope["path"]
        return visit.show("acknowledge.html", heading=title, body=excerpt, at=at, path=path)

    async def acknowledge(visit: Visit) -> Response:
        await acknowledgements.acknowledge(await found(visit))
        return see_other(visit.request.scope["path"])

    for method, answer in (("GET", show), ("POST", acknowledge)):
        endpoint = pages.open_endpoint(answer)
        router.add_route("/a/{token}", endpoint, [method], include_in_schema=False)
    return router
