"""The base of every transport, and the one that keeps messages in the archive."""

import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import Field, SecretStr

from flashnotify.channels.limiter import ConnectionLimiter
from flashnotify.channels.url import TransportURL
from flashnotify.clock import Clock
from flashnotify.domain import Captured, DeviceType, Message, Priority, Sent
from flashnotify.meta import Config, setting


class ChannelConfig(Config):
    """Base of the channels' settings, with the URLs of their transports."""

    url: SecretStr

    @property
    def transports(self) -> Sequence[tuple[str | None, str]]:
        """The URLs in failover order, each with the only address that it serves, or None."""
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
        """Return the message as the archive keeps it, for people to read."""
        ...


Returned = TypeVar("Returned")
C_contra = TypeVar("C_contra", contravariant=True)


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


@dataclass(frozen=True)
class Resources:
    """Resources of the service for its transports.

    `names` are threads for looking up untrusted host names. `file` returns the path of a file that
    a transport keeps, by name. Providers can reach us at `public_url`. `token` signs a callback.
    """

    clock: Clock
    threads: Threads
    names: Threads
    file: Callable[[str], Path]
    public_url: str
    token: Callable[[str], str]

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """TLS with the system's certificates, which take 30 ms to load; don't change it."""
        return ssl.create_default_context()


class Transport(ABC, Generic[C_contra]):
    """Sends the messages of one or more channels to a provider, named by URL schemes.

    The scheme `*` means any that no other transport of the channel has. `form` parses its URLs,
    which must have the parts in `requires`. `device_type` is the only type of device that it
    serves. `timeout`, in seconds, limits one send, unless it never `waits`. `name` identifies it in
    logs, attempts and metrics: the URL without credentials and options.
    """

    schemes: ClassVar[tuple[str, ...]]
    form: ClassVar[type[TransportURL]] = TransportURL
    config: ClassVar[type[TransportConfig] | None] = None
    requires: ClassVar[tuple[str, ...]] = ()
    device_type: ClassVar[DeviceType | None] = None
    waits: ClassVar[bool] = True

    def __init__(
        self, url: TransportURL, config: TransportConfig | None, resources: Resources
    ) -> None:
        url.require(*self.requires)
        self.url = url
        self.name = str(url)
        self.resources = resources
        limits = config or TransportConfig
        self.connections = ConnectionLimiter(limits.connections)
        self.timeout = limits.timeout

    def serves(self, message: Message) -> bool:
        """Return whether this transport can reach the recipient of `message`."""
        return message.device is None or self.device_type in (None, message.device.type)

    def service(self, message: Message) -> str | None:
        """Return the service for `message`, if there are several; each has a circuit breaker."""
        return None

    async def close(self) -> None:  # some transports have nothing to release
        """Release everything."""

    async def check(self) -> str:
        """Test the connection and credentials, without sending a message; return the finding.

        Raises the same errors as `send`.
        """
        return "it cannot be tested without sending something"

    @abstractmethod
    async def send(self, content: C_contra) -> Sent:
        """Send one message.

        Raises:
            TransportError: its subclass decides whether the delivery is retried.
            Unavailable: no thread was free to send it.
        """


class CaptureTransport(Transport[Content]):
    """`capture://`, the default of every channel: a person reads the messages in the archive."""

    schemes: ClassVar[tuple[str, ...]] = ("capture",)
    waits: ClassVar[bool] = False

    async def check(self) -> str:
        """Return where messages go: there is no server to test."""
        return "messages are kept in the outbox, nothing leaves this machine"

    async def send(self, content: Content) -> Sent:
        """Return the message in the result; the archive commits both together."""
        return Sent(answer="kept in the outbox", captured=content.captured())


def excerpt(text: str) -> str:
    """Return the start of a provider's answer: valid Unicode, one line, up to 500 characters."""
    clean = text.encode("utf-8", "replace").decode()
    clean = "".join(c if c.isprintable() or c.isspace() else " " for c in clean[:5000])
    return " ".join(clean.split())[:500]
