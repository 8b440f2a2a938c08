"""The API as commands use it, as an admin: over the Unix socket of `serve`, or in this process."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from flashnotify.archive.sqlite.location import beside, configured_archive, missing
from flashnotify.cli.error_messages import explain
from flashnotify.cli.unix_http import UnixConnection, answers
from flashnotify.errors import FlashNotifyError

# Seconds to wait for `serve` to answer: accepting waits for the disk.
_TIMEOUT = 30.0
# The same for many people: a file is read and checked before the first line of the answer.
_LONG = 600.0

JsonOption = Annotated[bool, typer.Option("--json", help="Print the API's response as JSON.")]


class CommandFailed(FlashNotifyError):
    """A command failed; the message says why."""


class Client(ABC):
    """The API, as commands use it. `served` is true if `serve` answers."""

    served: bool

    @abstractmethod
    def request(
        self, method: str, target: str, body: str | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        """Send a request and return the status and the body of its response."""

    @abstractmethod
    def stream(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, Iterator[bytes]]:
        """Send a request and return the status and the lines of its response, as they come."""

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        document: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Call the API and return the JSON of its response, or None if it has no body.

        Raise `CommandFailed` if the API is unreachable or answered with a problem.
        """
        target = f"{path}?{urlencode(params)}" if params else path
        body = None if document is None else json.dumps(document)
        sent = {"Content-Type": "application/json", **(headers or {})}
        try:
            status, answer = self.request(method, target, body, sent)
        except (OSError, HTTPException) as error:
            raise CommandFailed(
                f"serve holds the archive but does not answer ({type(error).__name__}). "
                "Check its log, or stop it."
            ) from None
        return result(status, answer, document)

    def list(self, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page of a list with `limit` items, if there are: a page of the API may be short.

        Raise `CommandFailed` as `call`.
        """
        page: dict[str, Any] = self.call("GET", path, params=params)
        while page["next"] and (room := params["limit"] - len(page["items"])) > 0:
            rest = {**params, "limit": room, "cursor": page["next"]}
            more = self.call("GET", path, params=rest)
            page = {"items": [*page["items"], *more["items"]], "next": more["next"]}
        return page


class SocketClient(Client):
    """A client of the `serve` that listens on a Unix socket, with `timeout` in seconds."""

    served = True

    def __init__(self, socket: Path, timeout: float = _TIMEOUT) -> None:
        self._connection = UnixConnection(socket, timeout)

    def request(
        self, method: str, target: str, body: str | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        """Send a request and return the status and the body of its response."""
        self._connection.request(method, target, body and body.encode(), dict(headers))
        response = self._connection.getresponse()
        return response.status, response.read()

    def stream(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, Iterator[bytes]]:
        """Send a request and return the status and the lines of its response, as they come."""
        self._connection.timeout = _LONG
        self._connection.request(method, target, body, dict(headers))
        response = self._connection.getresponse()
        return response.status, iter(response)

    def __enter__(self) -> "SocketClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def result(status: int, answer: bytes, document: Any = None) -> Any:
    """Return the JSON of the API's response to `document`, or None if it has no body.

    Raise `CommandFailed` if it is a problem.
    """
    if not 200 <= status < 300:
        raise CommandFailed(explain(status, answer, document))
    return json.loads(answer) if answer else None


def connect() -> AbstractContextManager[Client]:
    """Return a connection to the API of this archive, whether `serve` is running or not."""
    socket = beside(archive_file(), "sock")
    if answers(socket):
        return SocketClient(socket)
    # Only now: importing the service takes seconds.
    from flashnotify.cli.local import connect_locally  # noqa: PLC0415

    return connect_locally()


def call(method: str, path: str, **request: Any) -> Any:
    """Call the API once, as `Client.call`."""
    with connect() as client:
        return client.call(method, path, **request)


def list_page(path: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a page of a list, as `Client.list`."""
    with connect() as client:
        return client.list(path, params)


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
