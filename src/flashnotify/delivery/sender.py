"""Sends one message: the transports of its channel in failover order, one attempt at each."""

import asyncio
from dataclasses import dataclass, field

import structlog

from flashnotify import errors
from flashnotify.archive.records import Attempt
from flashnotify.clock import Clock
from flashnotify.delivery.transports import OpenChannel, OpenTransport
from flashnotify.domain import Message, Sent
from flashnotify.meta import Notifier
from flashnotify.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Sending:
    """The attempts at one message so far, and the result of the last one."""

    attempts: list[Attempt] = field(default_factory=list)
    result: Sent | errors.TransportError | None = None

    @property
    def over(self) -> bool:
        """Whether another transport would not help."""
        return isinstance(self.result, Sent | errors.Rejected)


class Sender:
    """Sends messages. Raises nothing unless cancelled: every error is a result."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics

    async def send(self, notifier: Notifier, channel: OpenChannel, message: Message) -> Sending:
        """Send a message over the first transport that takes it.

        There is no attempt, and no result, if every breaker refuses.
        """
        sending = Sending()
        urgent = message.priority.urgent
        for transport in channel.transports:
            if not transport.serves(message):
                continue
            # Asked before the wait for a connection, which a dead transport may hold for long,
            # and again after it.
            if transport.breaker_for(message).wait(urgent=urgent) > 0:
                continue
            async with transport.transport.connections.use(urgent=urgent):
                if not transport.breaker_for(message).allow(urgent=urgent):
                    continue
                await self._attempt(notifier, channel, transport, message, sending)
            if sending.over:
                break
        return sending

    async def _attempt(
        self,
        notifier: Notifier,
        channel: OpenChannel,
        transport: OpenTransport,
        message: Message,
        sending: Sending,
    ) -> None:
        at, began = self._clock.now(), self._clock.monotonic()
        try:
            result = await _call(notifier, channel, transport, message)
        except BaseException:
            transport.breaker_for(message).abandoned(urgent=message.priority.urgent)
            raise
        duration = self._clock.monotonic() - began
        outcome = transport.report(message, result)
        tracked = channel.spec.tracked
        if tracked:
            labels = (channel.spec.name, transport.name, outcome.value)
            self._metrics.attempts.labels(*labels).observe(duration)
        sending.result = result
        sending.attempts.append(
            Attempt(
                at,
                duration,
                transport.name,
                outcome,
                answer=result.answer if isinstance(result, Sent) else result.reason,
                reference=result.reference if isinstance(result, Sent) else None,
                tracked=tracked,
            )
        )


async def _call(
    notifier: Notifier, channel: OpenChannel, transport: OpenTransport, message: Message
) -> Sent | errors.TransportError:
    """Call the notifier's `send_<channel>`, within the time-out of the transport."""
    send = getattr(notifier, channel.spec.send)
    timeout = transport.transport.timeout
    try:
        async with asyncio.timeout(timeout):
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
