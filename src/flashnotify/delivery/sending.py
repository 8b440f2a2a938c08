"""One delivery: try the channel's transports in turn, and say what became of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from flashnotify.archive.writes.changes import Change
from flashnotify.archive.writes.statements import DROP_DEVICE
from flashnotify.channels.transport import Threads, Transport
from flashnotify.clock import Clock
from flashnotify.delivery import outcomes
from flashnotify.delivery.breaker import Breaker, BreakerState
from flashnotify.delivery.outcomes import Tally, Try
from flashnotify.delivery.retry import GiveUp, decide
from flashnotify.delivery.transports import OpenChannel, Outlet
from flashnotify.domain import AttemptOutcome, DeliveryStatus, Message, Sent
from flashnotify.errors import (
    Gone,
    Misconfigured,
    NotTried,
    Rejected,
    Retryable,
    TransportError,
    Unavailable,
    Unreachable,
    Unsendable,
    stack_of,
)
from flashnotify.meta.metaclasses import Notifier
from flashnotify.meta.specs import ChannelSpec
from flashnotify.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery: the writes that say so, and when it is due again, if it is.

    `retry_at` is in milliseconds since the epoch.
    """

    changes: list[Change]
    retry_at: int | None = None


class _Crashed(Retryable):
    """A fault of ours: it says nothing about the transport, which others still need."""


class Sending:
    """Sends messages. Never raises but when cancelled: whatever happens is an outcome."""

    def __init__(
        self, clock: Clock, ids: Callable[[], UUID], metrics: Metrics, threads: Threads
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._metrics = metrics
        self._threads = threads
        self._random = random.Random()  # noqa: S311  # jitter, not a secret

    async def send(
        self, notifier: Notifier, channel: OpenChannel, message: Message, tally: Tally
    ) -> Outcome:
        """Send one message over the first transport that takes it."""
        outlets = [outlet for outlet in channel.outlets if outlet.serves(message)]
        if not outlets:
            return self._unreachable(tally)
        tries: list[Try] = []
        waits: list[float] = []
        error: TransportError | None = None
        for outlet in outlets:
            async with outlet.transport.connections.use(urgent=tally.priority.urgent):
                breaker = outlet.breaker_for(message)
                if not breaker.allow(urgent=tally.priority.urgent):
                    waits.append(breaker.retry_after(urgent=tally.priority.urgent))
                    continue
                tried, answer = await self._attempt(notifier, channel, outlet, breaker, message)
            tries.append(tried)
            if isinstance(answer, Sent):
                return self._sent(tally, tries, answer)
            error = answer
            if isinstance(error, Rejected):
                break
        if error is None:
            return self._wait_for_breakers(min(waits), tally)
        return self.retry_or_fail(channel.spec, tally, tries, error)

    def retry_or_fail(
        self, spec: ChannelSpec, tally: Tally, tries: Sequence[Try], error: TransportError
    ) -> Outcome:
        """The outcome of a delivery that no transport took."""
        now = self._clock.now()
        verdict = decide(
            error,
            policy=spec.retry,
            priority=tally.priority,
            attempts=tally.attempts + len(tries),
            first_attempt_at=tally.first_attempt_at or tries[0].at,
            expires_at=tally.expires_at,
            now=now,
            random=self._random,
        )
        if isinstance(verdict, GiveUp):
            changes = outcomes.ended(
                tally, DeliveryStatus.failed, tries, now=now, reason=verdict.reason
            )
            if isinstance(error, Gone) and tally.device_id is not None:
                changes.append((DROP_DEVICE, {"of": tally.device_id}))
            return Outcome(changes)
        changes = outcomes.postponed(tally, tries, now=now, due=verdict.at, reason=error.reason)
        return Outcome(changes, verdict.at)

    def _sent(self, tally: Tally, tries: Sequence[Try], answer: Sent) -> Outcome:
        captured = (self._ids(), answer.captured) if answer.captured is not None else None
        return Outcome(
            outcomes.ended(
                tally, DeliveryStatus.sent, tries, now=self._clock.now(), captured=captured
            )
        )

    def _unreachable(self, tally: Tally) -> Outcome:
        """The settings name no transport for this recipient."""
        now, reason = self._clock.now(), "no transport in the settings serves this address"
        return Outcome(outcomes.ended(tally, DeliveryStatus.failed, [], now=now, reason=reason))

    def _wait_for_breakers(self, wait: float, tally: Tally) -> Outcome:
        """All transports are left alone, for `wait` seconds: that costs no attempt."""
        now = self._clock.now()
        due = now + round(wait * 1000)
        if tally.expires_at is not None and due >= tally.expires_at:
            reason = "expired while the transport was not working"
            return Outcome(outcomes.ended(tally, DeliveryStatus.failed, [], now=now, reason=reason))
        reason = "waits for the transport to work again"
        return Outcome(outcomes.postponed(tally, [], now=now, due=due, reason=reason), due)

    async def _attempt(
        self,
        notifier: Notifier,
        channel: OpenChannel,
        outlet: Outlet,
        breaker: Breaker,
        message: Message,
    ) -> tuple[Try, Sent | TransportError]:
        """One attempt over one transport, reported to its breaker and the metrics."""
        at, began = self._clock.now(), self._clock.monotonic()
        try:
            answer = await self._call(notifier, channel, outlet.transport, message)
        except BaseException:
            breaker.abandoned(urgent=message.priority.urgent)
            raise
        duration = self._clock.monotonic() - began
        name = outlet.name
        before = breaker.state
        outcome = _report(breaker, answer, urgent=message.priority.urgent)
        _log_change(before, breaker.state, channel.spec.name, name, answer)
        if channel.spec.tracked:
            self._metrics.attempted(channel.spec.name, name, outcome, duration)
        reference = answer.reference if isinstance(answer, Sent) else None
        words = answer.answer if isinstance(answer, Sent) else answer.reason
        tried = Try(at, duration, name, outcome, words, reference, channel.spec.tracked)
        return tried, answer

    async def _call(
        self, notifier: Notifier, channel: OpenChannel, transport: Transport[Any], message: Message
    ) -> Sent | TransportError:
        send = partial(getattr(notifier, channel.spec.send), message, transport, channel.config)
        answer: Sent
        try:
            if channel.spec.blocking:
                answer = await self._threads.run(
                    send, within=transport.timeout, lane=message.priority
                )
            else:
                async with asyncio.timeout(transport.timeout):
                    answer = await send()
        except TransportError as error:
            return error
        except Unavailable as error:
            return NotTried(str(error), after=error.retry_after)
        except TimeoutError:
            return Unreachable(f"no answer within {transport.timeout:g} s")
        except Exception as error:  # noqa: BLE001  # a transport's bug is an outcome too
            log.error("sending.crashed", error=type(error).__name__, stack=stack_of(error))
            return _Crashed(f"internal error: {type(error).__name__}")
        return answer


def _log_change(
    before: BreakerState,
    after: BreakerState,
    channel: str,
    transport: str,
    answer: Sent | TransportError,
) -> None:
    """Tell whoever runs the service. Not the provider's words, which may name a recipient."""
    if before is BreakerState.closed and after is not before:
        log.warning(
            "transport.left_alone",
            channel=channel,
            transport=transport,
            error=type(answer).__name__,
            meaning="it keeps failing; it is tried again from time to time, and /v1/channels and "
            "the attempts of deliveries say more",
        )
    elif after is BreakerState.closed and after is not before:
        log.info("transport.works_again", channel=channel, transport=transport)


def _report(breaker: Breaker, answer: Sent | TransportError, *, urgent: bool) -> AttemptOutcome:
    """Tell the breaker, and name the outcome."""
    match answer:
        case Misconfigured():
            breaker.refused_us(answer.reason)
            return AttemptOutcome.misconfigured
        case Unreachable():
            breaker.failed()
            return AttemptOutcome.retryable
        case NotTried():
            breaker.abandoned(urgent=urgent)
            return AttemptOutcome.retryable
        case _Crashed():
            breaker.abandoned(urgent=urgent)
            return AttemptOutcome.error
        case Sent():
            breaker.worked()
            return AttemptOutcome.sent
        case Unsendable():
            breaker.abandoned(urgent=urgent)
            return AttemptOutcome.rejected
        case Rejected():
            breaker.worked()
            return AttemptOutcome.rejected
        case _:
            breaker.worked()
            return AttemptOutcome.retryable
