"""One message over the transports of its channel: failover, breakers, time-outs, bugs."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pytest

from flashnotify.archive.records import Attempt
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.channels.limiter import ConnectionLimiter
from flashnotify.delivery.breaker import Breaker, BreakerState
from flashnotify.delivery.rendering import Renderer
from flashnotify.delivery.sender import Sender
from flashnotify.delivery.transports import SendResult
from flashnotify.domain import AttemptOutcome, Message, Priority, Sent
from flashnotify.errors import (
    InternalError,
    Misconfigured,
    NotTried,
    Rejected,
    Retryable,
    TransportError,
    Unavailable,
    Unreachable,
    Unsendable,
)
from flashnotify.meta import Notifier
from flashnotify.telemetry.metrics import Metrics
from tests.support.delivering import KINDS, TEMPLATES, Delivering, ScriptedTransport, gate
from tests.support.manual_clock import ManualClock

FAILURES = 5  # of the email channel's breaker
RECOVERY = 30.0


class Sending(NamedTuple):
    """The attempts at a message, and the result of the last one."""

    attempts: Sequence[Attempt]
    result: SendResult | None


@dataclass
class Setting:
    """A sender, and transports that follow a script, in failover order."""

    delivering: Delivering
    notifier: Notifier
    message: Message
    metrics: Metrics

    def open(self, *scripts: Any) -> list[ScriptedTransport]:
        return list(self.delivering.open(EmailMixin, *scripts))

    def breaker(self, number: int = 0) -> Breaker:
        return self.delivering.channels["email"].transports[number].breaker

    async def send(self, *, urgent: bool = False) -> Sending:
        priority = Priority.high if urgent else Priority.low
        message = replace(self.message, priority=priority)
        sender = Sender(self.delivering.clock, self.metrics)
        channel = self.delivering.channels["email"]
        return Sending(*await sender.send(self.notifier, channel, message))


@pytest.fixture
async def setting(clock: ManualClock) -> Setting:
    delivering = Delivering(clock)
    (job,) = await delivering.batches()
    notification = delivering.archive.state.notifications[job.notification_id]
    channel = delivering.channels["email"]
    renderer = Renderer(KINDS, TEMPLATES, None)
    notifier = renderer.notifier(notification)
    rendering = renderer.render(notification, notifier, channel.spec, notification.locale)
    content = channel.spec.mixin.prepare(rendering, channel.config)
    message = Message(job.id, "a@univ.example", rendering, clock.now(), content)
    return Setting(delivering, notifier, message, Metrics(KINDS.values()))


def told(attempts: Sequence[Attempt]) -> list[tuple[str, AttemptOutcome, str | None]]:
    """Return what matters of each attempt."""
    return [(a.transport.removeprefix("scripted://"), a.outcome, a.answer) for a in attempts]


async def test_the_first_transport_that_takes_it_is_the_last_one_tried(setting: Setting) -> None:
    first, second = setting.open([Sent("250 ok", reference="r-1")], [])
    sending = await setting.send()
    assert sending.result == Sent("250 ok", reference="r-1")
    (attempt,) = sending.attempts
    assert (attempt.outcome, attempt.answer) == (AttemptOutcome.sent, "250 ok")
    assert (attempt.reference, attempt.tracked) == ("r-1", True)
    assert (first.sent, second.sent) == (["a@univ.example"], [])


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Retryable("no"), AttemptOutcome.retryable),
        (Unreachable("no"), AttemptOutcome.retryable),
        (Misconfigured("no"), AttemptOutcome.misconfigured),
    ],
)
async def test_the_next_transport_is_tried_after_a_refusal_that_is_not_final(
    setting: Setting, error: TransportError, outcome: AttemptOutcome
) -> None:
    setting.open([error], [Retryable("busy")], [])
    sending = await setting.send()
    assert told(sending.attempts) == [
        ("email-0", outcome, "no"),
        ("email-1", AttemptOutcome.retryable, "busy"),
        ("email-2", AttemptOutcome.sent, "ok"),
    ]
    assert sending.result == Sent("ok")


@pytest.mark.parametrize("error", [Rejected("550 no"), Unsendable("550 no")])
async def test_no_other_transport_is_tried_after_a_refusal_for_good(
    setting: Setting, error: TransportError
) -> None:
    _, second = setting.open([error], [])
    sending = await setting.send()
    assert told(sending.attempts) == [("email-0", AttemptOutcome.rejected, "550 no")]
    assert second.sent == []


async def test_the_result_is_the_last_one_when_all_refuse(setting: Setting) -> None:
    setting.open([Retryable("busy")], [Unreachable("down")])
    sending = await setting.send()
    assert isinstance(sending.result, Unreachable)
    assert len(sending.attempts) == 2


async def test_there_is_no_attempt_while_every_breaker_is_open(setting: Setting) -> None:
    transports = setting.open([], [])
    for number in range(2):
        setting.breaker(number).misconfigure("no")
    sending = await setting.send()
    assert (sending.attempts, sending.result) == ([], None)
    assert [transport.sent for transport in transports] == [[], []]


async def test_a_transport_of_another_address_is_passed_over(setting: Setting) -> None:
    first, second = setting.open([], [])
    channel = setting.delivering.channels["email"]
    only = replace(channel.transports[0], only="b@univ.example")
    setting.delivering.channels["email"] = replace(
        channel, transports=[only, channel.transports[1]]
    )
    await setting.send()
    assert (first.sent, second.sent) == ([], ["a@univ.example"])


def open_limited(setting: Setting) -> list[ScriptedTransport]:
    """Open two transports, the first of them with a single connection."""
    first, second = setting.open([], [])
    first.connections = ConnectionLimiter(1)
    return [first, second]


async def test_an_open_breaker_is_asked_before_a_connection_is_waited_for(
    setting: Setting,
) -> None:
    first, second = open_limited(setting)
    setting.breaker().misconfigure("no")
    async with first.connections.use(urgent=False):
        await setting.send()
    assert (first.sent, second.sent) == ([], ["a@univ.example"])


async def test_a_breaker_that_opens_while_a_connection_is_waited_for_is_asked_again(
    setting: Setting,
) -> None:
    first, second = open_limited(setting)
    async with first.connections.use(urgent=False):
        sending = asyncio.create_task(setting.send())
        for _ in range(5):
            await asyncio.sleep(0)
        setting.breaker().misconfigure("no")
    await sending
    assert (first.sent, second.sent) == ([], ["a@univ.example"])


async def test_only_one_of_many_that_waited_probes(setting: Setting, clock: ManualClock) -> None:
    reached, go_on, wait = gate()
    (transport,) = setting.open([Misconfigured("no"), wait])
    await setting.send()
    await clock.advance(RECOVERY)
    probe = asyncio.create_task(setting.send())
    await reached.wait()
    others = await asyncio.gather(*(setting.send() for _ in range(5)))
    assert [sending.attempts for sending in others] == [[]] * 5
    go_on.set()
    await probe
    assert setting.breaker().state is BreakerState.closed
    assert len(transport.sent) == 2


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Unreachable("down"), BreakerState.open),
        (TimeoutError(), BreakerState.open),
        (Retryable("busy"), BreakerState.closed),
        (Rejected("no"), BreakerState.closed),
        (Unsendable("no"), BreakerState.closed),
        (Unavailable("no thread"), BreakerState.closed),
        (ZeroDivisionError(), BreakerState.closed),
    ],
)
async def test_only_the_transports_own_failures_open_its_breaker(
    setting: Setting, error: Exception, state: BreakerState
) -> None:
    setting.open([error] * FAILURES)
    for _ in range(FAILURES):
        assert setting.breaker().state is BreakerState.closed
        await setting.send()
    assert setting.breaker().state is state


async def test_a_transport_that_does_not_answer_in_time_is_unreachable(setting: Setting) -> None:
    hung = gate()[2]
    first, second = setting.open([hung], [])
    first.timeout = 0
    sending = await setting.send()
    assert told(sending.attempts) == [
        ("email-0", AttemptOutcome.retryable, "no answer within 0 s"),
        ("email-1", AttemptOutcome.sent, "ok"),
    ]
    assert second.sent


async def test_an_attempt_takes_the_time_that_it_takes(
    setting: Setting, clock: ManualClock
) -> None:
    reached, go_on, wait = gate()
    setting.open([wait])
    began = clock.now()
    running = asyncio.create_task(setting.send())
    await reached.wait()
    await clock.advance(2.5)
    go_on.set()
    (attempt,) = (await running).attempts
    assert (attempt.at, attempt.duration) == (began, 2.5)


async def test_errors_before_an_attempt_do_not_count_against_the_transport(
    setting: Setting,
) -> None:
    setting.open([Unavailable("no thread became free", retry_after=7)])
    sending = await setting.send()
    assert isinstance(sending.result, NotTried)
    assert sending.result.after == 7
    assert told(sending.attempts) == [
        ("email-0", AttemptOutcome.retryable, "no thread became free")
    ]


async def test_a_bug_in_a_transport_is_a_result(setting: Setting) -> None:
    setting.open([ZeroDivisionError("secret")])
    sending = await setting.send()
    assert isinstance(sending.result, InternalError)
    assert told(sending.attempts) == [
        ("email-0", AttemptOutcome.error, "internal error: ZeroDivisionError")
    ]


@pytest.mark.parametrize(
    "error", [Unavailable("no thread"), ZeroDivisionError(), Unsendable("too long")]
)
async def test_a_probe_that_says_nothing_of_the_transport_makes_place_for_another(
    setting: Setting, clock: ManualClock, error: Exception
) -> None:
    setting.open([Misconfigured("no"), error, Sent("ok")])
    await setting.send()
    await clock.advance(RECOVERY)
    await setting.send()
    assert setting.breaker().state is BreakerState.half_open
    assert setting.breaker().wait(urgent=False) == 0
    await setting.send()
    assert setting.breaker().state is BreakerState.closed


@pytest.mark.parametrize("urgent", [False, True])
async def test_a_cancelled_probe_makes_place_for_another(
    setting: Setting, clock: ManualClock, urgent: bool
) -> None:
    reached, _, wait = gate()
    (transport,) = setting.open([Misconfigured("no"), wait])
    transport.connections = ConnectionLimiter(1)
    await setting.send()
    await clock.advance(RECOVERY)
    probe = asyncio.create_task(setting.send(urgent=urgent))
    await reached.wait()
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    # Neither the probe's place nor the connection is lost.
    assert (await setting.send(urgent=urgent)).result == Sent("ok")


async def test_urgent_messages_may_probe_an_open_breaker_sooner(
    setting: Setting, clock: ManualClock
) -> None:
    setting.open([Misconfigured("no")])
    await setting.send()
    await clock.advance(5)
    assert (await setting.send()).attempts == []
    assert (await setting.send(urgent=True)).result == Sent("ok")


async def test_attempts_of_a_tracked_channel_are_measured(setting: Setting) -> None:
    setting.open([Retryable("busy")], [])
    await setting.send()
    exposition = setting.metrics.exposition().decode()
    for transport, outcome in (("email-0", "retryable"), ("email-1", "sent")):
        labels = f'channel="email",outcome="{outcome}",transport="scripted://{transport}"'
        assert f"flashnotify_attempt_seconds_count{{{labels}}} 1.0" in exposition
    channel = setting.delivering.channels["email"]
    untracked = replace(channel, spec=replace(channel.spec, tracked=False))
    setting.delivering.channels["email"] = untracked
    sending = await setting.send()
    assert not sending.attempts[0].tracked
    assert setting.metrics.exposition().decode() == exposition
