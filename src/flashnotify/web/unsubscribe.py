"""`/u/{token}`: unsubscribing from emails of one kind, by the link in each of them (RFC 8058)."""

from fastapi import APIRouter
from starlette.responses import Response

from flashnotify.identity.audit import Actor
from flashnotify.people.preferences import Preferences
from flashnotify.people.unsubscribe_links import UnsubscribeLinks
from flashnotify.web.pages import Pages
from flashnotify.web.visit import Visit


def unsubscribe_router(
    pages: Pages, links: UnsubscribeLinks, preferences: Preferences
) -> APIRouter:
    """Return the page that the links in emails lead to.

    A GET changes nothing, since programs follow links to see what is there. A POST comes from the
    button, or from a mail program: without a session, and whatever its body is.
    """
    router = APIRouter()

    async def ask(visit: Visit) -> Response:
        kind, _ = links.read(visit.request.path_params["token"])
        return visit.show("unsubscribe.html", kind=kind, done=False)

    async def unsubscribe(visit: Visit) -> Response:
        kind, user_id = links.read(visit.request.path_params["token"])
        # Whoever has the link stands for the person.
        actor = Actor(f"user:{user_id}", visit.address)
        await preferences.unsubscribe(actor, user_id, kind, "email")
        return visit.show("unsubscribe.html", kind=kind, done=True)

    for method, answer in (("GET", ask), ("POST", unsubscribe)):
        router.add_route(
            "/u/{token}", pages.open_endpoint(answer), [method], include_in_schema=False
        )
    return router
