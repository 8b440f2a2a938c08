"""The whole API as one ASGI app: its endpoints, its errors, its documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel
from starlette.types import ASGIApp

from flashnotify import __version__
from flashnotify.api.docs import install_docs
from flashnotify.api.openapi import openapi_document
from flashnotify.api.problems import RequestBoundary, install
from flashnotify.api.requests import refuse_unknown_parameters
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec


def application(
    routers: Iterable[APIRouter],
    lenient: Iterable[APIRouter],
    kinds: Registry[NotifierSpec],
    bodies: Iterable[type[BaseModel]],
    ids: Callable[[], UUID],
) -> ASGIApp:
    """The app of these routers. Those that are `lenient` see to the query's parameters themselves.

    `bodies` are the models of requests that endpoints read themselves, `ids` makes those of
    requests.
    """
    app = FastAPI(
        title="FlashNotify",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in routers:
        app.include_router(router, dependencies=[Depends(refuse_unknown_parameters)])
    for router in lenient:
        app.include_router(router)
    install_docs(app)
    install(app)
    document = openapi_document(app, kinds, bodies)
    app.openapi = lambda: document  # type: ignore[method-assign]  # the way FastAPI documents
    return RequestBoundary(app, ids)
