"""The whole API as one ASGI app: endpoints, authentication, problems, documentation."""

from collections.abc import Iterable
from datetime import tzinfo
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import HTMLResponse, JSONResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from flashnotify import __version__
from flashnotify.api.auth import Authentication
from flashnotify.api.body_memory import BodyMemory
from flashnotify.api.middleware import HeadAsGet, RequestBoundary
from flashnotify.api.openapi import openapi_document
from flashnotify.api.path_prefix import PathPrefix, link
from flashnotify.api.problems import ErrorPage, install_problems
from flashnotify.api.sending_route import SendingRoutes
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec
from flashnotify.networks import Network


def application(
    routers: Iterable[APIRouter],
    authentication: Authentication,
    kinds: Registry[NotifierSpec],
    bodies: Iterable[type[BaseModel]],
    zone: tzinfo,
    body_memory: int,
    prefix: str,
    proxies: tuple[Network, ...],
    error_page: ErrorPage,
) -> ASGIApp:
    """Return the app of these routers.

    `bodies` are the models of the bodies that endpoints read themselves, `zone` is the campus's,
    and `body_memory` limits the bytes of all bodies that are held at once. Paths have a `prefix`
    for clients, unless one of the `proxies` names another. Browsers see errors on an `error_page`.
    """
    app = FastAPI(
        title="FlashNotify",
        version=__version__,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.authentication = authentication
    app.state.zone = zone
    app.state.proxies = proxies
    # `include_router` would analyse every endpoint a second time.
    app.router.routes.extend(route for router in routers for route in router.routes)
    for route in app.router.routes:
        if isinstance(route, APIRoute):
            # The names of endpoints are the names of methods in generated clients.
            route.unique_id = route.name
    _install_docs(app)
    install_problems(app, error_page)
    # Built on first use, since it takes a tenth of a second.
    document = cache(partial(openapi_document, app, kinds, bodies))
    app.openapi = document  # type: ignore[method-assign]  # as FastAPI's manual has it
    memory, path_prefix = BodyMemory(body_memory), PathPrefix(prefix, proxies)
    return HeadAsGet(RequestBoundary(SendingRoutes(app, kinds), path_prefix, memory))


def _install_docs(app: FastAPI) -> None:
    """Serve the documentation of `app` at `/docs`, with nothing loaded from another host."""
    folder = Path(str(files("fastapi_offline"))) / "static"
    app.mount("/docs/static", StaticFiles(directory=folder), name="docs-static")

    # Not a coroutine: the document is made in a thread, so that the event loop stays responsive.
    def openapi(_request: Request) -> JSONResponse:
        servers = {"servers": [{"url": link("")}]} if link("") else {}
        return JSONResponse(app.openapi() | servers)

    app.add_route("/openapi.json", openapi, include_in_schema=False)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=link("/openapi.json"),
            title=f"{app.title} API",
            swagger_js_url=link("/docs/static/swagger-ui-bundle.js"),
            swagger_css_url=link("/docs/static/swagger-ui.css"),
            swagger_favicon_url=link("/docs/static/favicon.png"),
        )
