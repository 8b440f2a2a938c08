"""A channel whose `send_…` is no coroutine: it is called in a thread, and keeps its deadline."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from flashnotify.archive.writes.statements import ADD_ATTEMPT
from flashnotify.channels.capture import CaptureTransport
from flashnotify.channels.transport import Resources, TransportURL
from flashnotify.delivery.breaker import Breaker, BreakerState
from flashnotify.delivery.outcomes import Tally
from flashnotify.delivery.sending import Outcome, Sending
from flashnotify.delivery.transports import OpenChannel, Outlet
from flashnotify.domain import (
    AttemptOutcome,
    Message,
    Priority,
    Rendering,
    Sent,
)
from flashnotify.errors import DeclarationError, Rejected
from flashnotify.ids import UUIDv7
from flashnotify.meta import descriptors
from flashnotify.meta.metaclasses import Channel, Notifier
from flashnotify.meta.registry import Registry
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from flashnotify.telemetry.metrics import Metrics
from tests.support.manual_clock import ManualClock


class PagerMixin(Channel, channel="pager", registry=Registry("channel")):
    """Gives a kind pagers, over a library that blocks."""

    scheme: ClassVar[str] = "pager"
    address = descriptors.Slug()
    parts: ClassVar[tuple[str, ...]] = ("text",)

    def send_pager(self, message: Message, transport: Any, config: Any) -> Sent:
        """Do as the text says."""
        match message.rendering.parts["text"]:
            case "hang":
                _GATE.wait()
            case "refuse":
                raise Rejected("no such pager")
            case "crash":
                raise LookupError("a bug")
        return Sent(answer=threading.current_thread().name)


class BeepNotifier(PagerMixin, Notifier, registry=Registry("kind")):
    """Something that beeps."""

    priority = descriptors.Priority(default="low")


_GATE = threading.Event()


@pytest.fixture(autouse=True)
def gate() -> Iterator[None]:
    """What hangs goes on at the end."""
    _GATE.clear()
    yield
    _GATE.set()


class Pager:
    """The channel, open, and what sends over it."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.threads = ThreadPoolQueue(1, spare=0)
        self.clock = clock
        self.ids = UUIDv7(clock.now)
        lent = Resources(
            clock, self.threads, self.threads, folder.joinpath, "http://127.0.0.1:1", str
        )
        self.transport = CaptureTransport(TransportURL(SecretStr("capture://")), None, lent)
        self.transport.timeout = 1.0
        spec = PagerMixin.__channel__
        self.outlet = Outlet("it", self.transport, Breaker(spec.breaker, clock))
        self.channel = OpenChannel(spec, None, [self.outlet])
        self.sending = Sending(clock, self.ids, Metrics(()), self.threads)

    async def send(self, text: str) -> dict[str, Any]:
        """Send; the attempt as it goes into the archive."""
        message = Message(self.ids(), "me", Rendering("en", {"text": text}), self.clock.now())
        tally = Tally(
            delivery_id=message.delivery_id,
            notification_id=self.ids(),
            kind="beep",
            channel="pager",
            priority=Priority.low,
            expires_at=None,
            attempts=0,
            first_attempt_at=None,
        )
        outcome: Outcome = await self.sending.send(BeepNotifier(), self.channel, message, tally)
        (attempt,) = (row for statement, row in outcome.changes if statement is ADD_ATTEMPT)
        return dict(attempt)


@pytest.fixture
def pager(tmp_path: Path, clock: ManualClock) -> Pager:
    return Pager(tmp_path, clock)


async def test_it_is_called_in_a_thread(pager: Pager) -> None:
    attempt = await pager.send("beep")
    assert attempt["outcome"] is AttemptOutcome.sent
    assert attempt["answer"] != threading.current_thread().name


async def test_what_it_raises_is_the_outcome(pager: Pager) -> None:
    refused = await pager.send("refuse")
    assert (refused["outcome"], refused["answer"]) == (AttemptOutcome.rejected, "no such pager")
    crashed = await pager.send("crash")
    assert crashed["answer"] == "internal error: LookupError"


async def test_a_call_that_hangs_ends_at_the_transports_time_out_and_counts_in_its_breaker(
    pager: Pager,
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    attempt = await pager.send("hang")
    assert attempt["answer"] == "no answer within 1 s"
    assert loop.time() - began < 5
    assert pager.threads.lost == 1
    assert pager.outlet.breaker.state is BreakerState.closed


async def test_without_a_thread_the_transport_is_not_to_blame(pager: Pager) -> None:
    await pager.send("hang")
    for _ in range(pager.channel.spec.breaker.failures):
        attempt = await pager.send("beep")
        assert "All 1 threads are held" in attempt["answer"]
        assert attempt["outcome"] is AttemptOutcome.retryable
    assert pager.outlet.breaker.state is BreakerState.closed


def test_what_yields_sends_nothing_and_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"FaxMixin\.send_fax: yields.*`async def send_fax"):

        class FaxMixin(Channel, channel="fax", registry=Registry("channel")):
            scheme = "fax"
            address = descriptors.Slug()
            parts = ("text",)

            async def send_fax(self, message: Message, transport: Any, config: Any) -> Any:
                yield Sent()
