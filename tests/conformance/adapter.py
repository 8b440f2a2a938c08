"""The interface between a transport and the conformance suite."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import SecretStr

from flashnotify.channels.sms.channel import SMSToOne
from flashnotify.channels.sms.segments import fit
from flashnotify.channels.transport import Resources, Transport
from flashnotify.domain import Message, Priority, Rendering, Sent
from flashnotify.ids import UUIDv7
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from tests.support.manual_clock import ManualClock

# Must never be shown. Put it where the transport takes a password or a token; percent-encoding does
# not change it.
SECRET = "correct-horse-battery-staple"
# The server's text in every refusal; the attempt must keep it.
WORDS = "the words of the provider"
# Seconds in the `Retry-After` of `too_fast`.
RETRY_AFTER = 7


class Case(Enum):
    """A behaviour of the server, or an event on our side."""

    success = "accepts the message"
    refused_for_good = "refuses the message for good"
    refused_for_now = "refuses the message for now"
    too_fast = f"refuses the message for now and asks us to wait {RETRY_AFTER} s"
    bad_address = "knows no such recipient"
    bad_config = "refuses our credentials or our sender"
    hang = "never answers"
    dropped = "drops the connection halfway"
    garbage = "answers in another protocol"
    down = "does not listen"
    cancelled = "never answers, until we cancel the delivery"
    same_reference = "gets the message twice and can recognize it"
    bad_url = "has a URL that cannot work"


@dataclass(slots=True)
class Lent:
    """The resources that the service lends to transports, for tests."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    threads: ThreadPoolQueue = field(default_factory=lambda: ThreadPoolQueue(4))

    @property
    def resources(self) -> Resources:
        """The argument for a transport."""
        return Resources(
            self.clock,
            self.threads,
            self.threads,
            self.folder.joinpath,
            "http://127.0.0.1:1",
            lambda of: f"token-{of}",
        )


class Server(Protocol):
    """A server of the tests."""

    @property
    def open(self) -> int:
        """The number of open connections."""
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Stop, and drop all connections. May be called twice."""


class Adapter(ABC):
    """A transport, and a server that can behave as each `Case` requires.

    Each test creates an adapter, in the running event loop. Declare the transport with
    `class KannelAdapter(HttpAdapter, of=KannelTransport)`.
    """

    transport: ClassVar[type[Transport[Any]]]
    # The cases that the protocol cannot express, each with the reason.
    impossible: ClassVar[Mapping[Case, str]] = {}
    # For `Case.bad_url`: URLs that the transport must refuse, with SECRET in place of a password.
    bad_urls: ClassVar[Sequence[str]] = ()
    # An address of the channel.
    recipient: ClassVar[str] = "+33612345678"

    def __init_subclass__(cls, of: type[Transport[Any]] | None = None) -> None:
        if of is not None:
            cls.transport = of

    def __init__(self, lent: Lent, server: Server) -> None:
        self.lent = lent
        self.running = server
        self.ids = UUIDv7(lent.clock.now)

    @property
    @abstractmethod
    def url(self) -> str:
        """The transport's URL for this server, with SECRET in it if it can carry one."""

    @abstractmethod
    def behave(self, case: Case) -> None:
        """Make the server behave as `case` for the next message, and normally after it."""

    def content(self, message: Message) -> Any:
        """Return the message in the form of its channel; by default an SMS."""
        return SMSToOne(fit(message.rendering.parts["sms"], 2), message, "Campus")

    @property
    @abstractmethod
    def received(self) -> Sequence[str]:
        """The identifier of each message that the server accepted, as the provider sees it."""

    def note(self, sent: Sent) -> None:  # noqa: B027  # most transports have a server
        """Record a result, for a transport that returns the message in it."""

    @property
    @abstractmethod
    def asked(self) -> int:
        """The number of requests that `behave` could have applied to."""

    @property
    def settings(self) -> Mapping[str, object]:
        """Settings of the transport's config, by attribute, other than `timeout`."""
        return {}

    def make(self, url: str | None = None, *, timeout: float = 30.0) -> Transport[Any]:
        """Return the transport under test; `timeout` is in seconds."""
        config = self.transport.config
        return self.transport(
            self.transport.form(SecretStr(url or self.url)),
            config(timeout=timeout, **self.settings) if config is not None else None,
            self.lent.resources,
        )

    def message(self) -> Message:
        """Return a new message with the parts of every channel."""
        text = "The exam takes place in B204."
        parts = {"text": text, "html": f"<p>{text}</p>", "sms": text, "push": text}
        titles = {"subject": "Room changed", "push_title": "Room changed"}
        return Message(
            delivery_id=self.ids(),
            to=self.recipient,
            rendering=Rendering("en", parts | titles),
            accepted_at=self.lent.clock.now(),
            priority=Priority.high,
        )
