"""`/sign-in`, `/sign-out` and `/`: where people come in and leave."""

from fastapi import APIRouter
from starlette.responses import Response

from flashnotify.api.browser_sessions import SESSION
from flashnotify.api.headers import header
from flashnotify.archive.identity_records import User
from flashnotify.errors import NotAuthenticated, RateLimited
from flashnotify.identity.sign_in import SignIn
from flashnotify.web.forms import own_path
from flashnotify.web.pages import VISIT, Pages, see_other
from flashnotify.web.visit import Visit

ACCOUNT = "/account"


def sign_in_router(pages: Pages, sign_in: SignIn) -> APIRouter:
    """Return the pages at which people sign in and out."""
    router = APIRouter()

    async def root(visit: Visit) -> Response:
        return see_other(ACCOUNT if visit.signed_in is not None else "/sign-in")

    async def show(visit: Visit) -> Response:
        asked = visit.request.query_params
        wanted = own_path(asked.get("next"), ACCOUNT)
        if visit.signed_in is not None:
            return see_other(wanted)
        return visit.show("sign_in.html", next=wanted, login="", notice=asked.get("notice"))

    async def enter(visit: Visit) -> Response:
        login, wanted = (
            visit.form.get("login", "").strip(),
            own_path(visit.form.get("next"), ACCOUNT),
        )
        password = visit.form.get("password", "")
        try:
            user = await sign_in.with_password(login, password, visit.address)
        except NotAuthenticated:
            return visit.show("sign_in.html", 422, next=wanted, login=login, wrong=True)
        except RateLimited as error:
            return visit.wait(error, "sign_in.html", next=wanted, login=login)
        return await begin_session(visit, user, wanted)

    async def leave(visit: Visit) -> Response:
        if visit.signed_in is not None:
            signed_in, actor = visit.require_signed_in()
            user, session = signed_in.user, signed_in.session
            await pages.browsers.sessions.end(actor, user.id, [session.id])
        response = see_other("/sign-in?notice=signed-out")
        pages.browsers.cookies.delete(response, SESSION)
        return response

    for path, method, answer in (
        ("/", "GET", root),
        ("/sign-in", "GET", show),
        ("/sign-in", "POST", enter),
        ("/sign-out", "POST", leave),
    ):
        router.add_route(path, pages.endpoint(answer), [method], include_in_schema=False)
    return router


async def begin_session(visit: Visit, user: User, wanted: str) -> Response:
    """Return the answer that leads to the path `wanted`, with a new session of a user."""
    browsers, request = visit.pages.browsers, visit.request
    replaced = browsers.cookies.get(request, SESSION)
    agent = header(request.scope, b"user-agent")
    cookie = await browsers.sessions.begin(user, visit.address, agent, replaced)
    response = see_other(wanted)
    browsers.cookies.set(response, SESSION, cookie)
    browsers.cookies.delete(response, VISIT)
    return response
