"""`/docs`: the documentation of the API, with nothing loaded from another host."""

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.staticfiles import StaticFiles


def install_docs(app: FastAPI) -> None:
    """Serve the documentation of `app` at `/docs`."""
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
