"""Email that belongs to no notification: whoever reads it could act as its recipient."""

from collections import deque
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from flashnotify.archive.records import OutboxMessage
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.clock import Clock
from flashnotify.delivery.sender import Sender
from flashnotify.delivery.transports import OpenChannel
from flashnotify.domain import Message, Priority, Rendering, Sent

log = structlog.get_logger(__name__)

# Messages that are kept where nothing is sent.
_KEPT = 20


class DirectEmail:
    """Sends email at once, over the transports of the `channel`; the archive never has it.

    What `capture://` would keep in the archive is kept in memory, for admins only.
    """

    def __init__(
        self, channel: OpenChannel | None, sender: Sender, clock: Clock, ids: Callable[[], UUID]
    ) -> None:
        self._channel = channel
        self._sender = sender
        self._clock = clock
        self._ids = ids
        self._captured: deque[OutboxMessage] = deque(maxlen=_KEPT)

    def captured(self) -> Sequence[OutboxMessage]:
        """Return the messages that were kept instead of sent, newest first."""
        return tuple(self._captured)

    async def send(self, to: str, rendering: Rendering) -> None:
        """Send an email. It is logged if that fails, without what it says."""
        channel, now, id = self._channel, self._clock.now(), self._ids()
        if channel is None:
            log.warning("email.not_sent", error="there is no email channel")
            return
        content = EmailMixin.prepare(rendering, channel.config)
        message = Message(id, to, rendering, now, content, Priority.high)
        _, result = await self._sender.send(EmailMixin(), channel, message)
        if not isinstance(result, Sent):
            # Without the provider's words, which may contain the address.
            log.warning("email.not_sent", error=type(result).__name__)
        elif result.captured is not None:
            kept = result.captured
            texts = (kept.channel, kept.address, kept.subject, kept.text, kept.html)
            self._captured.appendleft(OutboxMessage(id, None, id, *texts, now))
