"""The whole API as one ASGI app: endpoints, authentication, problems, documentation."""

from collections.abc import Callable, Iterable
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.params import Query
from pydantic import BaseModel
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from flashnotify import __version__
from flashnotify.api.auth import Authentication
from flashnotify.api.middleware import RequestBoundary
from flashnotify.api.newline import FinalNewline
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
    _install_docs(app)
    install_problems(app)
    # Made when it is first asked for: it takes a tenth of a second.
    document = cache(partial(openapi_document, app, kinds, bodies))
    app.openapi = document  # type: ignore[method-assign]  # as FastAPI's manual has it
    return FinalNewline(RequestBoundary(app, ids))


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


def _install_docs(app: FastAPI) -> None:
    """Serve the documentation of `app` at `/docs`, with nothing loaded from another host."""
    folder = Path(str(files("fastapi_offline"))) / "static"
    app.mount("/docs/static", StaticFiles(directory=folder), name="docs-static")

    # Not a coroutine: the document is made in a thread, so that the event loop stays responsive.
    def openapi(_request: Request) -> JSONResponse:
        return JSONResponse(app.openapi())

    app.add_route("/openapi.json", openapi, include_in_schema=False)

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{app.title} API",
            swagger_js_url="/docs/static/swagger-ui-bundle.js",
            swagger_css_url="/docs/static/swagger-ui.css",
            swagger_favicon_url="/docs/static/favicon.png",
        )
