"""What every transport is: a URL, a config, `open`, `close` and one coroutine that sends."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pydantic import SecretStr

from flashnotify.clock import Clock
from flashnotify.domain import Captured, Message, Priority, Sent
from flashnotify.errors import SettingsError
from flashnotify.meta.configs import Config


class ChannelConfig(Config):
    """Base of the channels' settings: which transports they name."""

    url: SecretStr

    @property
    def transports(self) -> Sequence[tuple[str | None, str]]:
        """The URLs in the order they are tried, each with the one address it is for, if it is."""
        return [(None, url) for url in self.url.get_secret_value().split()]


class Content(Protocol):
    """A message in the form of its channel."""

    def captured(self) -> Captured:
        """How to keep it in the archive for a person to see."""
        ...


Returned = TypeVar("Returned")
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
        self.query = self._parts.query
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


class Threads(Protocol):
    """Runs blocking calls away from the event loop."""

    async def run(
        self,
        call: Callable[[], Returned],
        *,
        within: float,
        lane: Priority = Priority.medium,
    ) -> Returned:
        """What `call` returns.

        Raises:
            TimeoutError: it began, and has not ended `within` seconds from now.
            Unavailable: it never began.
        """
        ...


@dataclass(frozen=True, slots=True)
class Resources:
    """What the service lends to its transports.

    `names` are threads for looking up names that strangers give, `file` says where they may keep a
    file of their own, by its name; `public_url` is where providers can reach us; `token` makes an
    unguessable text that only we can make, for callbacks.
    """

    clock: Clock
    threads: Threads
    names: Threads
    file: Callable[[str], Path]
    public_url: str
    token: Callable[[str], str]


class Transport(ABC, Generic[C_contra]):
    """A way out of the process for one or more channels, named by URL schemes.

    The scheme `*` is any that no other transport of the channel has; `form` is how its URLs are
    read. `config` are settings of its own; `timeout`, in seconds, bounds one send. Subclasses raise
    only `TransportError`s from `send`, and `Unavailable` if there was no thread to try in.
    """

    schemes: ClassVar[tuple[str, ...]]
    example: ClassVar[str]
    form: ClassVar[type[TransportURL]] = TransportURL
    config: ClassVar[type[Config] | None] = None

    def __init__(self, url: TransportURL, config: Config | None, resources: Resources) -> None:
        self.url = url
        self.resources = resources
        self.connections = Connections(16)
        self.timeout = 30.0

    @property
    def name(self) -> str:
        """How logs, attempts and metrics call it: the URL without credentials and options."""
        return str(self.url)

    def serves(self, message: Message) -> bool:
        """Whether this transport can reach the recipient of `message` at all."""
        return True

    def service(self, message: Message) -> str | None:
        """Which of several services behind this transport takes `message`, if there are several.

        Each gets a breaker of its own: what one does is no reason to leave the others alone.
        """
        return None

    async def open(self) -> None:  # most transports have nothing to open
        """Get ready. Must not fail because the other side is down."""

    async def close(self) -> None:  # see open
        """Let go of everything."""

    async def check(self) -> str:
        """Find out, without sending anything, whether this works; what was found, in words.

        Raises:
            Unreachable: the other side does not answer, or not as it should.
            Misconfigured: it refuses us because of our settings.
        """
        return "it cannot be tried without sending something"

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
    clean = "".join(c if c.isprintable() or c.isspace() else " " for c in clean[:5000])
    return " ".join(clean.split())[:500]
