"""The whole API as one ASGI app: endpoints, authentication, problems, documentation."""

from collections.abc import Callable, Iterable
from functools import cache, partial
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from pydantic import BaseModel
from starlette.types import ASGIApp

from flashnotify import __version__
from flashnotify.api.auth import Authentication
from flashnotify.api.docs import install_docs
from flashnotify.api.middleware import RequestBoundary
from flashnotify.api.openapi import openapi_document
from flashnotify.api.problems import install_problems
from flashnotify.errors import FieldError, InvalidInput
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec


def application(
    routers: Iterable[APIRouter],
    lenient: Iterable[APIRouter],
    authentication: Authentication,
    kinds: Registry[NotifierSpec],
    bodies: Iterable[type[BaseModel]],
    ids: Callable[[], UUID],
) -> ASGIApp:
    """Return the app of these routers. Only the `lenient` ones take undocumented parameters.

    `bodies` are the models of the bodies that endpoints read themselves, `ids` makes request ids.
    """
    app = FastAPI(
        title="FlashNotify", version=__version__, openapi_url=None, redirect_slashes=False
    )
    app.state.authentication = authentication
    for router in routers:
        app.include_router(router, dependencies=[Depends(_refuse_unknown_parameters)])
    for router in lenient:
        app.include_router(router)
    install_docs(app)
    install_problems(app)
    # As FastAPI's manual has it. Made when it is first asked for: it takes a tenth of a second.
    app.openapi = cache(partial(openapi_document, app, kinds, bodies))  # type: ignore[method-assign]
    return RequestBoundary(app, ids)


async def _refuse_unknown_parameters(request: Request) -> None:
    """Refuse query parameters that the endpoint does not document.

    A misspelt filter would otherwise match everything. Raise `InvalidInput` if the query has one.
    """
    if not request.scope["query_string"]:
        return
    parameters = get_flat_params(request.scope["route"].dependant)
    known = [param.alias for param in parameters if isinstance(param.field_info, Query)]
    detail = f"unknown parameter; expected one of {', '.join(known)}"
    if not known:
        detail = "no parameter is expected"
    if unknown := [name for name in request.query_params if name not in known]:
        raise InvalidInput(
            [FieldError.at((name,), "unknown_parameter", detail) for name in unknown]
        )
