"""Sends one message: the transports of its channel in failover order, one attempt at each."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from flashnotify import errors
from flashnotify.archive.records import Attempt
from flashnotify.clock import Clock
from flashnotify.delivery.transports import OpenChannel, OpenTransport, SendResult
from flashnotify.domain import Message, Sent
from flashnotify.meta import Channel, Notifier
from flashnotify.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends messages. Raises nothing unless cancelled: every error is a result."""

    clock: Clock
    metrics: Metrics

    async def send(
        self, notifier: Notifier | Channel, channel: OpenChannel, message: Message
    ) -> tuple[Sequence[Attempt], SendResult | None]:
        """Send a message over the first transport that takes it.

        Return the attempts and the result of the last one. There is neither if every breaker
        refuses.
        """
        attempts: list[Attempt] = []
        result: SendResult | None = None
        urgent = message.priority.urgent
        for transport in channel.transports:
            if not transport.serves(message):
                continue
            # Asked before the wait for a connection, which a dead transport may hold for long,
            # and again after it.
            if transport.breaker_for(message).wait(urgent=urgent) > 0:
                continue
            async with transport.connection(message):
                if not transport.breaker_for(message).allow(urgent=urgent):
                    continue
                attempt, result = await self._attempt(notifier, channel, transport, message)
            attempts.append(attempt)
            if isinstance(result, Sent | errors.Rejected):
                # Another transport would not help.
                break
        return attempts, result

    async def _attempt(
        self,
        notifier: Notifier | Channel,
        channel: OpenChannel,
        transport: OpenTransport,
        message: Message,
    ) -> tuple[Attempt, SendResult]:
        at, began = self.clock.now(), self.clock.monotonic()
        try:
            result = await _call(notifier, channel, transport, message)
        except BaseException:
            transport.breaker_for(message).abandoned(urgent=message.priority.urgent)
            raise
        duration = self.clock.monotonic() - began
        outcome = transport.report(message, result)
        tracked = channel.spec.tracked
        if tracked:
            named = self.metrics.transport(transport.name, transport.label)
            labels = (channel.spec.name, named, outcome.value)
            self.metrics.attempts.labels(*labels).observe(duration)
        if isinstance(result, Sent):
            answer, reference = result.answer, result.reference
        else:
            answer, reference = result.reason, None
        attempt = Attempt(at, duration, transport.name, outcome, answer, reference, tracked)
        return attempt, result


async def _call(
    notifier: Notifier | Channel, channel: OpenChannel, transport: OpenTransport, message: Message
) -> SendResult:
    """Call the notifier's `send_<channel>`, within the time-out of the transport."""
    send = getattr(notifier, channel.spec.send)
    timeout = transport.transport.timeout
    try:
        async with asyncio.timeout(timeout if transport.transport.waits else None):
            sent: Sent = await send(message, transport.transport, channel.config)
            return sent
    except errors.TransportError as error:
        return error
    except errors.Unavailable as error:
        return errors.NotTried(str(error), after=error.retry_after)
    except TimeoutError:
        return errors.Unreachable(f"no answer within {timeout:g} s")
    except Exception as error:  # noqa: BLE001  # a bug in a transport is a result too
        log.error("transport.crashed", error=type(error).__name__, stack=errors.stack_of(error))
        return errors.InternalError(f"internal error: {type(error).__name__}")
