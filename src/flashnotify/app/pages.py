"""The pages of a service, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastapi import APIRouter

from flashnotify.api.browser_sessions import BrowserSessions
from flashnotify.api.problems import ErrorPage
from flashnotify.app.acknowledging import acknowledgements_of
from flashnotify.web.account import account_router
from flashnotify.web.acknowledge import acknowledge_router
from flashnotify.web.csrf import FormTokens
from flashnotify.web.error_pages import ErrorPages
from flashnotify.web.languages import Languages
from flashnotify.web.pages import Pages
from flashnotify.web.reset_password import reset_password_router
from flashnotify.web.sign_in import sign_in_router
from flashnotify.web.stylesheet import stylesheet_router
from flashnotify.web.unsubscribe import unsubscribe_router

if TYPE_CHECKING:
    from flashnotify.app.service import Service


def pages_of(service: Service, browsers: BrowserSessions) -> tuple[Sequence[APIRouter], ErrorPage]:
    """Return the pages of a service, and what shows errors to browsers."""
    identity, languages = service.identity, Languages(service.config.locale)
    tokens, by_password = FormTokens(service.secret.key), service.config.password_sign_in
    by_campus = identity.campus is not None
    pages = Pages(browsers, tokens, languages, service.zone, by_password, by_campus)
    errors = ErrorPages(pages)
    routers: tuple[APIRouter, ...] = (
        sign_in_router(pages, identity.sign_in),
        account_router(pages, identity.users, identity.sign_in),
        unsubscribe_router(pages, service.unsubscribe_links, service.people.preferences),
        stylesheet_router(),
        acknowledge_router(pages, acknowledgements_of(service)),
    )
    if by_password:
        routers = (*routers, reset_password_router(pages, identity.reset))
    if identity.campus is None:
        return routers, errors
    from flashnotify.web.campus import campus_router  # noqa: PLC0415  # with Authlib

    return (*routers, campus_router(pages, identity.campus)), errors
