"""The log shows where an error came from, and none of its data."""

import logging
import sys
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from flashnotify.telemetry import logs

SECRET = "Bearer fn_" + "geheim"


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Logging is the process's own: leave it as the other tests have it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in (*logs.QUIET, "urllib3")}
    yield
    root.handlers[:], root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["console", "json"])
def test_an_error_of_a_library_shows_no_values(
    form: Literal["console", "json"], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(sys.stderr, "write", written.append)

    def handle(authorization: str) -> None:
        raise RuntimeError(f"cannot read {authorization}")

    logs.configure(form)
    try:
        handle(SECRET)
    except RuntimeError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    log = "".join(written)
    assert "Exception in ASGI application" in log
    assert "RuntimeError" in log
    assert "test_logs.py" in log
    assert SECRET not in log
