"""The ASGI wrappers around the app: the request's id, the crash boundary, the local socket."""

import asyncio
import random
from dataclasses import dataclass

import structlog
from anyio import BrokenResourceError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flashnotify.api.body_memory import BodyMemory
from flashnotify.api.newline import one_longer
from flashnotify.api.path_prefix import PathPrefix
from flashnotify.api.problems import problem_response
from flashnotify.api.receipts import CALLBACKS
from flashnotify.errors import (
    FieldError,
    InvalidInput,
    ResponseBrokenOff,
    Unavailable,
    stack_of,
)

log = structlog.get_logger(__name__)

# Parameters of a query: reading thousands of them holds the event loop.
_MAX_PARAMETERS = 500


@dataclass(frozen=True, slots=True)
class LocalSocket:
    """The app as served on the Unix socket, where every client is an admin."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        scope.setdefault("state", {})["local"] = True
        await self.app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class HeadAsGet:
    """Answers HEAD as GET, without the body (RFC 9110, section 9.3.2).

    Not where a GET has an effect: there HEAD is refused.
    """

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope.get("method") != "HEAD" or scope["path"].startswith(CALLBACKS):
            await self.app(scope, receive, send)
            return
        finished = False

        async def send_head(message: Message) -> None:
            nonlocal finished
            if message["type"] == "http.response.start":
                await send(message)
            elif not finished:
                # A stream ends here too: its next receive() says that the client is gone.
                finished = True
                await send({"type": "http.response.body"})

        await self.app({**scope, "method": "GET"}, receive, send_head)


@dataclass(frozen=True, slots=True)
class RequestBoundary:
    """Gives each request an id (`X-Request-ID`), limits its size, and logs unexpected errors.

    Takes the path prefix off, and ends JSON answers with a newline. Headers that authentication
    leaves in `state["headers"]` are sent with every response.
    """

    app: ASGIApp
    prefix: PathPrefix
    bodies: BodyMemory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = self.prefix.taken_off(scope)
        # A name, not a secret: the kernel would be asked for one with the interpreter released.
        request_id = f"{random.getrandbits(128):032x}"
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        started = finished = is_json = False

        async def send_completed(message: Message) -> None:
            nonlocal started, finished, is_json
            if message["type"] == "http.response.start":
                started = True
                longer = one_longer(message["headers"])
                is_json = longer is not None
                message["headers"] = [
                    *(longer or message["headers"]),
                    *state.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                ]
            elif not message.get("more_body", False):
                finished = True
                if is_json:
                    message["body"] = message.get("body", b"") + b"\n"
            await send(message)

        receive, release = self.bodies.counted(receive)
        try:
            if scope["query_string"].count(b"&") >= _MAX_PARAMETERS:
                too_many = problem_response(scope, _too_many_parameters())
                await too_many(scope, receive, send_completed)
                return
            await self.app(scope, receive, send_completed)
        except asyncio.CancelledError:
            # The service stops, and this request outlasts the time it has for that.
            if not started:
                stopping = Unavailable("The service is stopping.", retry_after=5, code="stopping")
                await problem_response(scope, stopping)(scope, receive, send_completed)
            raise
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001  # the app has sent a problem, unless it had started
            if isinstance(error, ExceptionGroup) and error.split(BrokenResourceError)[1] is None:
                # The client of an event stream has disconnected.
                return
            log.error(
                "request.crashed",
                request_id=request_id,
                path=scope["path"],
                error=type(error).__name__,
                stack=stack_of(error),
            )
            if not finished:
                # The server closes the connection and logs this. The error itself may quote data.
                raise ResponseBrokenOff from None
        finally:
            release()


def _too_many_parameters() -> InvalidInput:
    detail = f"the query must have at most {_MAX_PARAMETERS} parameters"
    return InvalidInput([FieldError("", "too_many", detail)])
