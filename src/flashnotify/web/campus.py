"""`/sign-in/campus`: sign-in at the campus's provider."""

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from flashnotify.errors import FlashNotifyError
from flashnotify.identity.campus_sign_on import CampusSignOn
from flashnotify.web.forms import own_path
from flashnotify.web.pages import Pages
from flashnotify.web.sign_in import ACCOUNT, begin_session
from flashnotify.web.visit import Visit

CAMPUS = "/sign-in/campus"
CALLBACK = f"{CAMPUS}/callback"
SIGN_ON = "flashnotify-sign-on"


def campus_router(pages: Pages, campus: CampusSignOn) -> APIRouter:
    """Return the pages that lead to the campus's provider and back."""
    router, cookies = APIRouter(), pages.browsers.cookies

    async def leave(visit: Visit) -> Response:
        wanted = own_path(visit.request.query_params.get("next"), ACCOUNT)
        started = await campus.begin(wanted)
        response = RedirectResponse(started.url, 303)
        cookies.set(response, SIGN_ON, started.cookie)
        return response

    async def come_back(visit: Visit) -> Response:
        cookie, answer = cookies.get(visit.request, SIGN_ON), visit.request.query_params
        try:
            user, wanted = await campus.finish(answer, cookie, visit.address)
        except FlashNotifyError as error:
            response = visit.fail(error)
        else:
            response = await begin_session(visit, user, own_path(wanted, ACCOUNT))
        cookies.delete(response, SIGN_ON)
        return response

    for path, answer in ((CAMPUS, leave), (CALLBACK, come_back)):
        router.add_route(path, pages.endpoint(answer), ["GET"], include_in_schema=False)
    return router
