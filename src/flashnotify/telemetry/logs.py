"""The log. It never contains secrets, addresses or messages."""

import asyncio
import logging
import sys
from typing import Any, Literal

import structlog

from flashnotify.errors import ResponseBrokenOff, stack_of

# Libraries that log URLs, addresses or SQL below WARNING.
QUIET = ("httpx", "httpcore", "aiosmtplib", "alembic", "sqlalchemy", "uvicorn")
# A request that outlasts the service, and an error that has been logged: the server logs them too.
_WITHOUT_STACK = (asyncio.CancelledError, ResponseBrokenOff)


def _without_values(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Replace an error with its type and stack: its message and frames may hold data."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        if not isinstance(error, _WITHOUT_STACK):
            event["stack"] = stack_of(error)
    return event


def configure(form: Literal["console", "json"]) -> None:
    """Send all logs, including those of libraries, to standard error in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_values,
                renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Apprise uses it for HTTP, and its warnings quote URLs with their tokens.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
