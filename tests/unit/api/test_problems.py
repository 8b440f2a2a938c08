"""Errors as problem details."""

from __future__ import annotations

import errno

import pytest
from fastapi import FastAPI, Request, Response
from httpx import ASGITransport, AsyncClient

from flashnotify import errors
from flashnotify.api.body_memory import BodyMemory
from flashnotify.api.middleware import RequestBoundary
from flashnotify.api.path_prefix import PathPrefix
from flashnotify.api.problems import install_problems, problem
from flashnotify.errors import FieldError, FlashNotifyError, InvalidInput, NotFound, Unavailable


class DeviceNotFound(NotFound, code="device_not_found"):
    """A subclass with a code of its own."""


class Overloaded(Unavailable):
    """A subclass without one."""


def test_a_subclass_of_a_mapped_error_has_the_status_of_its_ancestor() -> None:
    assert problem(DeviceNotFound("gone")) == {
        "type": "urn:flashnotify:problem:not-found",
        "title": "Not Found",
        "status": 404,
        "code": "device_not_found",
        "detail": "gone",
    }
    found = problem(Overloaded("full", retry_after=3))
    assert (found["status"], found["code"]) == (503, "unavailable")


def test_an_error_may_carry_a_more_specific_code() -> None:
    found = problem(NotFound("no such kind", code="unknown_kind"))
    assert (found["type"], found["code"]) == ("urn:flashnotify:problem:not-found", "unknown_kind")
    assert problem(NotFound("nothing"))["code"] == "not_found"


def test_invalid_input_lists_its_mistakes() -> None:
    found = problem(InvalidInput([FieldError.at(("to", 3), "empty", "must not be empty")]))
    assert found["errors"] == [{"pointer": "/to/3", "code": "empty", "detail": "must not be empty"}]


@pytest.mark.parametrize(
    "error", [errors.SettingsError, errors.ArchiveLocked, errors.Rejected, FlashNotifyError]
)
def test_an_error_that_no_request_should_meet_is_a_500(error: type[FlashNotifyError]) -> None:
    found = problem(error("oops"))
    assert (found["status"], found["code"]) == (500, "internal")


async def test_no_descriptor_left_is_unavailable() -> None:
    failures = iter([OSError(errno.EMFILE, "Too many open files"), OSError(errno.EIO, "damaged")])
    app = FastAPI()

    @app.get("/")
    async def fails() -> None:
        raise next(failures)

    async def same(_request: Request, problem: Response) -> Response:
        return problem

    install_problems(app, same)
    async with AsyncClient(
        transport=ASGITransport(RequestBoundary(app, PathPrefix("", ()), BodyMemory(1))),
        base_url="http://x",
    ) as client:
        full = await client.get("/")
        assert (full.status_code, full.headers["Retry-After"]) == (503, "5")
        assert full.json()["code"] == "unavailable"
        assert (await client.get("/")).status_code == 500
