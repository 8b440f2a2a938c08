"""`/forgot-password` and `/reset-password`: a new password by a link that is sent by email."""

import secrets

from fastapi import APIRouter
from starlette.responses import Response

from flashnotify.errors import InvalidInput, InvalidValue, RateLimited
from flashnotify.identity.password_reset import LINK_MINUTES, PasswordReset
from flashnotify.meta import Email
from flashnotify.web.pages import Pages, see_other
from flashnotify.web.visit import Visit, duration

_MAX_TOKEN = 500


def reset_password_router(pages: Pages, reset: PasswordReset) -> APIRouter:
    """Return the pages for people who forgot their password."""
    router = APIRouter()

    async def ask(visit: Visit) -> Response:
        return visit.show("forgot_password.html", email="", problem=None)

    async def send_link(visit: Visit) -> Response:
        email = visit.form.get("email", "").strip()
        try:
            reset.request(Email(special=True).validate(email), visit.address)
        except InvalidValue:
            return visit.show("forgot_password.html", 422, email=email, problem="invalid")
        except RateLimited as error:
            return visit.wait(error, "forgot_password.html", email=email, problem=None)
        sent = duration(visit, LINK_MINUTES * 60)
        return visit.show("forgot_password.html", email=email, problem=None, sent=sent)

    async def show(visit: Visit) -> Response:
        # The token follows a #, and only a script can read it: else one pastes the link.
        visit.nonce = secrets.token_urlsafe(16)
        return visit.show("reset_password.html", token_of_link="")

    async def set_password(visit: Visit) -> Response:
        token = visit.form.get("link", "").strip().rpartition("#")[2][:_MAX_TOKEN]
        try:
            await reset.confirm(token, visit.form.get("new", ""), visit.address)
        except InvalidValue as error:
            return visit.show("reset_password.html", 422, token_of_link=token, weakness=error.code)
        except InvalidInput:
            return visit.show("reset_password.html", 422, token_of_link="", invalid=True)
        return see_other("/sign-in?notice=password")

    for path, method, answer in (
        ("/forgot-password", "GET", ask),
        ("/forgot-password", "POST", send_link),
        ("/reset-password", "GET", show),
        ("/reset-password", "POST", set_password),
    ):
        router.add_route(path, pages.endpoint(answer), [method], include_in_schema=False)
    return router
