"""The base of every transport: a URL, a config, `open`, `close` and one coroutine that sends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import Field, SecretStr

from flashnotify.channels.limiter import ConnectionLimiter
from flashnotify.channels.url import TransportURL
from flashnotify.clock import Clock
from flashnotify.domain import Captured, Message, Priority, Sent
from flashnotify.meta import Config, setting

# Characters kept of a provider's answer, and those looked at to find them.
_EXCERPT = 500
_EXCERPTED = 5000


class ChannelConfig(Config):
    """Base of the channels' settings: the transports that they name."""

    url: SecretStr

    @property
    def transports(self) -> Sequence[tuple[str | None, str]]:
        """The URLs in order of failover, each with the only address that it serves, or None."""
        return [(None, url) for url in self.url.get_secret_value().split()]


def transport_urls(env: str, *, of: str, example: str) -> Any:
    """Declare the setting `url` of a channel; `of` names what its transports send."""
    help = f"Transports for {of}, tried in order; separate several by spaces."
    return setting("capture://", env=env, help=help, example=example, secret=True)


class TransportConfig(Config):
    """Base of the transports' settings. Subclasses declare `connections` and `timeout`."""

    connections: Annotated[int, Field(ge=1, le=1000)] = 16
    timeout: Annotated[float, Field(gt=0, le=600)] = 30.0


def limits(
    env: str, *, item: str, to: str, connections: int = 16, timeout: float = 30.0
) -> tuple[Any, Any]:
    """Declare the settings `connections` and `timeout` of a transport that sends `item` to `to`."""
    return (
        setting(
            connections,
            env=f"{env}_CONNECTIONS",
            help=f"Maximum number of connections to {to}, a quarter of them for urgent {item}.",
            example=str(2 * connections),
        ),
        setting(
            timeout,
            env=f"{env}_TIMEOUT",
            help=f"Timeout of one {item} to {to}, in seconds.",
            example=f"{2 * timeout:g}",
        ),
    )


class Content(Protocol):
    """A message in the form of its channel."""

    def captured(self) -> Captured:
        """Return the form in which the archive keeps it for a person to see."""
        ...


Returned = TypeVar("Returned")
C_contra = TypeVar("C_contra", bound=Content, contravariant=True)


class Threads(Protocol):
    """Runs blocking calls away from the event loop."""

    async def run(
        self, call: Callable[[], Returned], *, within: float, lane: Priority = Priority.medium
    ) -> Returned:
        """Return the result of `call`.

        Raises:
            TimeoutError: it started, and has not ended `within` seconds from now.
            Unavailable: it never started.
        """
        ...


@dataclass(frozen=True, slots=True)
class Resources:
    """What the service lends to its transports.

    `names` are threads for looking up host names given by strangers. `file` returns the path of a
    file that a transport keeps, by name. `public_url` is where providers can reach us. `token`
    makes an unguessable text for a callback, which only we can make.
    """

    clock: Clock
    threads: Threads
    names: Threads
    file: Callable[[str], Path]
    public_url: str
    token: Callable[[str], str]


class Transport(ABC, Generic[C_contra]):
    """A way out of the process for one or more channels, named by URL schemes.

    The scheme `*` stands for any that no other transport of the channel has; `form` reads its URLs,
    which must have the parts in `requires`. `config` holds its own settings; `timeout`, in seconds,
    limits one send.
    """

    schemes: ClassVar[tuple[str, ...]]
    form: ClassVar[type[TransportURL]] = TransportURL
    config: ClassVar[type[TransportConfig] | None] = None
    requires: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, url: TransportURL, config: TransportConfig | None, resources: Resources
    ) -> None:
        url.require(*self.requires)
        self.url = url
        self.resources = resources
        limits = config or TransportConfig
        self.connections = ConnectionLimiter(limits.connections)
        self.timeout = limits.timeout

    @property
    def name(self) -> str:
        """Its name in logs, attempts and metrics: the URL without credentials and options."""
        return str(self.url)

    def serves(self, message: Message) -> bool:
        """Return whether this transport can reach the recipient of `message` at all."""
        return True

    def service(self, message: Message) -> str | None:
        """Return which of several services behind this transport takes `message`, if any.

        Each has its own circuit breaker: one that fails does not stop deliveries to the others.
        """
        return None

    async def open(self) -> None:  # most transports have nothing to open
        """Get ready. Must not fail because the other side is down."""

    async def close(self) -> None:  # see open
        """Release everything."""

    async def check(self) -> str:
        """Test, without sending anything, whether this works; return the finding in words.

        Raises:
            Unreachable: the other side does not answer, or not as it should.
            Misconfigured: it refuses us because of our settings.
        """
        return "it cannot be tested without sending something"

    @abstractmethod
    async def send(self, content: C_contra) -> Sent:
        """Send one message.

        Raises:
            Retryable: refused for now.
            Unreachable: the transport itself did not work.
            Rejected: refused for good.
            Misconfigured: refused because of our settings.
            Unavailable: no thread was free to send it.
        """


def excerpt(text: str) -> str:
    """Return a provider's answer in a form to keep: valid Unicode, one line, 500 characters."""
    clean = text.encode("utf-8", "replace").decode()
    clean = "".join(c if c.isprintable() or c.isspace() else " " for c in clean[:_EXCERPTED])
    return " ".join(clean.split())[:_EXCERPT]
