"""What every transport is: a URL, a config, `open`, `close` and one coroutine that sends."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Generic, Protocol, TypeVar
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pydantic import SecretStr

from flashnotify.domain import Captured, Sent
from flashnotify.errors import SettingsError
from flashnotify.meta.configs import Config


class Content(Protocol):
    """A message in the form of its channel."""

    def captured(self) -> Captured:
        """How to keep it in the archive for a person to see."""
        ...


C_contra = TypeVar("C_contra", bound=Content, contravariant=True)


class TransportURL:
    """A transport's URL from the settings. Its string forms never show the credentials."""

    def __init__(self, url: SecretStr) -> None:
        try:
            self._parts: SplitResult = urlsplit(url.get_secret_value())
            self.port = self._parts.port
            if "@" in self._parts.path + self._parts.query + self._parts.fragment:
                raise ValueError("the password ends early, and its beginning is taken for a host")
            self.options = {
                name: values[-1]
                for name, values in parse_qs(
                    self._parts.query,
                    keep_blank_values=True,
                    strict_parsing=bool(self._parts.query),
                ).items()
            }
        except ValueError:
            # The reason may quote the password: urlsplit takes what follows ':' for a port.
            raise SettingsError("is not a URL; percent-encode special characters") from None
        self.scheme = self._parts.scheme
        self.host = self._parts.hostname or ""
        self.path = self._parts.path
        self.username = unquote(self._parts.username) if self._parts.username else None
        self.password = unquote(self._parts.password) if self._parts.password else None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{host}{port}"

    __repr__ = __str__


class Connections:
    """A bound on concurrent use of a transport, part of it kept for urgent deliveries."""

    def __init__(self, total: int) -> None:
        self.total = total
        # A quarter is kept, and at least one connection is left for each side.
        self.reserved = max(1, total // 4) if total > 1 else 0
        self._used = 0
        self._waiting: dict[bool, deque[asyncio.Future[None]]] = {True: deque(), False: deque()}

    def capacity(self, *, urgent: bool) -> int:
        """How many connections deliveries of this urgency may use at once."""
        return self.total if urgent else self.total - self.reserved

    @asynccontextmanager
    async def use(self, *, urgent: bool) -> AsyncIterator[None]:
        """Hold one connection's place; urgent deliveries go first and have places of their own."""
        if self._used < self.capacity(urgent=urgent) and not self._waiting[urgent]:
            self._used += 1
        else:
            await self._wait(urgent)
        try:
            yield
        finally:
            self._used -= 1
            self._wake()

    async def _wait(self, urgent: bool) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting[urgent].append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._used -= 1
                self._wake()
            raise

    def _wake(self) -> None:
        for urgent in (True, False):
            waiting = self._waiting[urgent]
            while waiting and self._used < self.capacity(urgent=urgent):
                place = waiting.popleft()
                if not place.done():
                    self._used += 1
                    place.set_result(None)


class Transport(ABC, Generic[C_contra]):
    """A way out of the process for one or more channels, named by URL schemes.

    `config` are settings of its own; `timeout`, in seconds, bounds one send. Subclasses raise
    only `TransportError`s from `send`.
    """

    schemes: ClassVar[tuple[str, ...]]
    example: ClassVar[str]
    config: ClassVar[type[Config] | None] = None

    def __init__(self, url: TransportURL, config: Config | None) -> None:
        self.url = url
        self.connections = Connections(16)
        self.timeout = 30.0

    @property
    def name(self) -> str:
        """How logs, attempts and metrics call it: the URL without credentials and options."""
        return str(self.url)

    async def open(self) -> None:  # most transports have nothing to open
        """Get ready. Must not fail because the other side is down."""

    async def close(self) -> None:  # see open
        """Let go of everything."""

    @abstractmethod
    async def send(self, content: C_contra) -> Sent:
        """Send one message.

        Raises:
            Retryable: refused for now.
            Unreachable: the transport itself did not work.
            Rejected: refused for good.
            Misconfigured: refused because of our settings.
        """


def words(text: str) -> str:
    """A provider's own words, fit to be kept: valid Unicode, one line, at most 500 characters."""
    clean = text.encode("utf-8", "replace").decode()
    return " ".join(clean.split())[:500]
