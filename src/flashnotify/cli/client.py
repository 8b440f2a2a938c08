"""The API as commands use it, as an admin: over the Unix socket of `serve`, or in this process."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from flashnotify.archive.sqlite.location import beside, configured_archive, missing
from flashnotify.cli.error_messages import explain
from flashnotify.errors import FlashNotifyError

# Seconds to wait for `serve` to answer: accepting waits for the disk.
_TIMEOUT = 30.0

JsonOption = Annotated[bool, typer.Option("--json", help="Print the API's response as JSON.")]


class CommandFailed(FlashNotifyError):
    """A command failed; the message says why."""


class Client(httpx.AsyncClient):
    """The API, as commands use it. `served` is true if `serve` answers."""

    def __init__(self, transport: httpx.AsyncBaseTransport, *, served: bool = True) -> None:
        super().__init__(
            transport=transport, base_url="http://flashnotify", timeout=_TIMEOUT, trust_env=False
        )
        self.served = served

    async def call(self, method: str, path: str, **request: Any) -> Any:
        """Call the API and return the JSON of its response, or None if it has no body.

        Raise `CommandFailed` if the API is unreachable or answered with a problem.
        """
        try:
            response = await self.request(method, path, **request)
        except httpx.TransportError as error:
            raise CommandFailed(
                f"serve holds the archive but does not answer ({type(error).__name__}). "
                "Check its log, or stop it."
            ) from None
        if not response.is_success:
            raise CommandFailed(explain(response, request.get("json")))
        return response.json() if response.content else None


async def connect() -> AbstractAsyncContextManager[Client]:
    """Return a connection to the API of this archive, whether `serve` is running or not."""
    socket = beside(archive_file(), "sock")
    if await answers(socket):
        return over_socket(socket)
    # Only now: importing the service takes seconds.
    from flashnotify.cli.local import connect_locally  # noqa: PLC0415

    return connect_locally()


async def call(method: str, path: str, **request: Any) -> Any:
    """Call the API once, as `Client.call`."""
    async with await connect() as client:
        return await client.call(method, path, **request)


def archive_file() -> Path:
    """Return the archive's file. Reads the other settings only if they are needed for that.

    Raise `CommandFailed` if there is none: a command run in another folder must not make one.
    """
    archive = configured_archive()
    if archive is None:
        from flashnotify.settings import ServiceConfig  # noqa: PLC0415

        archive = ServiceConfig().archive_file
    if not archive.exists():
        raise CommandFailed(missing(archive))
    return archive


async def answers(socket: Path) -> bool:
    """Return whether a `serve` listens on a Unix socket."""
    try:
        _, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    writer.close()
    return True


def over_socket(socket: Path) -> Client:
    """Return a client of the `serve` that listens on a Unix socket."""
    return Client(httpx.AsyncHTTPTransport(uds=str(socket)))
