"""`/account`: who you are, where you are signed in, and your password."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from flashnotify.errors import InvalidValue, NotAuthenticated, NotFound, RateLimited
from flashnotify.identity.principal import ADMIN, DEVICES, NOTIFY_ALL, READ, READ_ALL, Principal
from flashnotify.identity.sign_in import SignIn
from flashnotify.identity.users import Users
from flashnotify.web.browsers import browser_name
from flashnotify.web.pages import Pages, see_other
from flashnotify.web.sign_in import ACCOUNT, begin_session
from flashnotify.web.visit import Visit


def account_router(pages: Pages, users: Users, sign_in: SignIn) -> APIRouter:
    """Return the page about the person who is signed in, and its forms."""
    router = APIRouter()
    sessions = pages.browsers.sessions

    async def show(visit: Visit) -> Response:
        return visit.show("account.html", **await _shown(visit))

    async def end_session(visit: Visit) -> Response:
        signed_in, actor = visit.require_signed_in()
        own = await sessions.of_user(signed_in.user.id)
        ended = [each.id for each in own if str(each.id) == visit.form.get("id")]
        if not ended:
            raise NotFound("No session of yours has this id.")
        await sessions.end(actor, signed_in.user.id, ended)
        return see_other(ACCOUNT)

    async def end_others(visit: Visit) -> Response:
        signed_in, actor = visit.require_signed_in()
        user, current = signed_in.user, signed_in.session.id
        others = [each.id for each in await sessions.of_user(user.id) if each.id != current]
        if others:
            await sessions.end(actor, user.id, others)
        return see_other(ACCOUNT)

    async def change_password(visit: Visit) -> Response:
        signed_in, actor = visit.require_signed_in()
        try:
            current = visit.form.get("current", "")
            user = await sign_in.confirm(signed_in.user, current, visit.address)
        except NotAuthenticated:
            return visit.show("account.html", 422, wrong_password=True, **await _shown(visit))
        except RateLimited as error:
            return visit.wait(error, "account.html", **await _shown(visit))
        try:
            new, since = visit.form.get("new", ""), user.credentials_changed_at
            user = await users.set_password(actor, user.id, new, unless_changed_since=since)
        except InvalidValue as error:
            return visit.show("account.html", 422, weakness=error.code, **await _shown(visit))
        return await begin_session(visit, user, f"{ACCOUNT}?notice=password")

    for path, method, answer in (
        (ACCOUNT, "GET", show),
        (f"{ACCOUNT}/sessions/end", "POST", end_session),
        (f"{ACCOUNT}/sessions/end-others", "POST", end_others),
        (f"{ACCOUNT}/password", "POST", change_password),
    ):
        router.add_route(path, pages.endpoint(answer), [method], include_in_schema=False)
    return router


async def _shown(visit: Visit) -> dict[str, Any]:
    """Return what the page shows of the person who is signed in."""
    signed_in, _ = visit.require_signed_in()
    return {
        "user": signed_in.user,
        "rights": _rights(visit, signed_in.principal),
        "sessions": await visit.pages.browsers.sessions.of_user(signed_in.user.id),
        "current": signed_in.session.id,
        "browser_name": browser_name,
        "notice": visit.request.query_params.get("notice"),
    }


def _rights(visit: Visit, principal: Principal) -> Sequence[str]:
    """Return what a principal may do, in words."""
    _ = visit.language.translate
    words = {
        ADMIN: _("Do everything, and manage users and API keys"),
        READ: _("See the notifications that you sent"),
        READ_ALL: _("See the notifications that anyone sent"),
        DEVICES: _("Register and remove devices"),
        NOTIFY_ALL: _("Send notifications of every kind"),
    }
    scopes = principal.scopes - ({READ} if READ_ALL in principal.scopes else set())
    kinds = sorted(scope.removeprefix("notify:") for scope in scopes - words.keys())
    found = [text for scope, text in words.items() if scope in scopes]
    if kinds:
        found.append(_("Send notifications of these kinds: %(kinds)s", kinds=", ".join(kinds)))
    return found
