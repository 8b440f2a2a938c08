"""Hints for requests that match no endpoint."""

import pytest
from fastapi import APIRouter, FastAPI

from flashnotify.api.paths import Paths


@pytest.fixture
def paths() -> Paths:
    app, router = FastAPI(openapi_url=None), APIRouter(prefix="/v1/notifications")
    router.get("")(lambda: None)
    router.post("")(lambda: None)
    router.post("/batch")(lambda: None)
    router.get("/{id}")(lambda: None)
    router.get("/{id}/deliveries")(lambda: None)
    router.get("/secret", include_in_schema=False)(lambda: None)
    app.include_router(router)
    return Paths(app.routes)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/notifications", ["GET", "POST"]),
        ("/v1/notifications/7", ["GET"]),
        # Not GET, although the path of one notification would fit.
        ("/v1/notifications/batch", ["POST"]),
        ("/v1/nothing", []),
    ],
)
def test_the_methods_of_a_path_are_those_of_all_its_endpoints(
    paths: Paths, path: str, methods: list[str]
) -> None:
    assert paths.methods(path) == methods


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/v1/notifications/", "/v1/notifications"),
        ("/v1/notifications/7/", "/v1/notifications/7"),
        ("/v1/notification", "/v1/notifications"),
        ("/notifications", "/v1/notifications"),
        ("/v1/notifications/7/delivery", "/v1/notifications/7/deliveries"),
        ("/v1/notifcations/batch", "/v1/notifications/batch"),
    ],
)
def test_a_misspelt_path_names_the_nearest(paths: Paths, path: str, hint: str) -> None:
    assert paths.hint(path) == f"; did you mean {hint}?"


@pytest.mark.parametrize("path", ["/favicon.ico", "/", "/v1/" + "x" * 60_000])
def test_other_paths_get_no_hint(paths: Paths, path: str) -> None:
    assert paths.hint(path) == ""
