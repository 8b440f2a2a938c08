"""What a transport contributes to the conformance suite: one adapter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

from pydantic import SecretStr

from flashnotify.channels.transport import Content, Resources, Transport
from flashnotify.domain import (
    Message,
    Priority,
    Rendering,
    Sent,
)
from flashnotify.ids import UUIDv7
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from tests.support.manual_clock import ManualClock

# What must never be seen; percent-encoded in a URL it is the same. Put it where the transport
# takes a password or a token.
SECRET = "correct-horse-battery-staple"
# What a server says with every refusal; the attempt must keep it.
WORDS = "the words of the provider"
# Seconds in the `Retry-After` of `too_fast`.
RETRY_AFTER = 7


class Case(Enum):
    """What the other side does, or what is done to it."""

    success = "takes the message"
    refused_for_good = "refuses the message for good"
    refused_for_now = "refuses it for now"
    too_fast = f"refuses it for now, and says to wait {RETRY_AFTER} s"
    bad_address = "says that the recipient does not exist"
    bad_config = "refuses our credentials or our sender"
    hang = "never answers"
    dropped = "drops the connection half way"
    garbage = "answers in another protocol"
    down = "does not listen"
    cancelled = "never answers, until the delivery is cancelled on our side"
    same_reference = "takes the message twice, and can tell that it is one"
    bad_url = "is named by a URL that cannot work"


@dataclass(slots=True)
class Lent:
    """What the service lends to transports, in tests."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    threads: ThreadPoolQueue = field(default_factory=lambda: ThreadPoolQueue(4))

    @property
    def resources(self) -> Resources:
        """The same, as transports get it."""
        return Resources(
            self.clock,
            self.threads,
            self.threads,
            self.folder.joinpath,
            "http://127.0.0.1:1",
            lambda of: f"token-{of}",
        )


class Adapter(ABC):
    """One transport, and a server that behaves as each `Case` wants.

    An adapter is made anew for each test, in the running event loop.
    """

    # How the tests are called: `test_…[name]`.
    name: ClassVar[str]
    # The class under test.
    transport: ClassVar[type[Transport[Any]]]
    # The cases that the protocol cannot express, each with the reason.
    impossible: ClassVar[Mapping[Case, str]] = {}
    # For `Case.bad_url`: URLs from which the transport must refuse to be made. With SECRET in
    # them where one would put a password.
    bad_urls: ClassVar[Sequence[str]] = ()

    def __init__(self, lent: Lent) -> None:
        self.lent = lent
        self.ids = UUIDv7(lent.clock.now)

    @abstractmethod
    async def start(self) -> None:
        """Start the server."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop the server, and break off its connections. May come twice."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The transport's URL for this server, with SECRET in it if it can carry one."""

    @abstractmethod
    def behave(self, case: Case) -> None:
        """Make the server do what `case` says to the next message, and be normal after it."""

    @abstractmethod
    def content(self, message: Message) -> Content:
        """The message in the form of its channel."""

    @property
    @abstractmethod
    def received(self) -> Sequence[str]:
        """Of each message that the server took, what identifies it to the provider."""

    def note(self, sent: Sent) -> None:  # noqa: B027  # most transports have an other side
        """See a success's outcome: for a transport that hands the message back in it."""

    @property
    @abstractmethod
    def asked(self) -> int:
        """How often something came that `behave` could be applied to."""

    @property
    @abstractmethod
    def open_connections(self) -> int:
        """How many connections there are to the server now."""

    @property
    def settings(self) -> Mapping[str, object]:
        """Settings of the transport's config, by attribute, other than `timeout`."""
        return {}

    def make(self, url: str | None = None, *, timeout: float = 30.0) -> Transport[Any]:
        """The transport under test; `timeout` in seconds."""
        config = self.transport.config
        return self.transport(
            self.transport.form(SecretStr(url or self.url)),
            config(timeout=timeout, **self.settings) if config is not None else None,
            self.lent.resources,
        )

    def message(self, **changes: Any) -> Message:
        """A message to somebody, with all the parts that any channel asks for."""
        parts = {
            "subject": "Room changed",
            "text": "The exam takes place in B204.",
            "html": "<p>The exam takes place in B204.</p>",
            "sms": "The exam takes place in B204.",
            "push_title": "Room changed",
            "push": "The exam takes place in B204.",
        }
        values: dict[str, Any] = {
            "delivery_id": self.ids(),
            "to": self.recipient,
            "rendering": Rendering("en", parts),
            "accepted_at": self.lent.clock.now(),
            "priority": Priority.high,
        }
        return Message(**{**values, **changes})

    @property
    def recipient(self) -> str:
        """An address of the channel."""
        return "+33612345678"
