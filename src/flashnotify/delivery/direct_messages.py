"""Messages that belong to no notification: whoever reads one could act as its recipient."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import structlog

from flashnotify.archive.records import OutboxMessage
from flashnotify.clock import Clock
from flashnotify.delivery.sender import Sender
from flashnotify.delivery.transports import OpenChannel
from flashnotify.domain import Message, Priority, Rendering, Sent

log = structlog.get_logger(__name__)

# Messages that are kept where nothing is sent.
_KEPT = 20


class DirectMessages:
    """Sends messages at once, over the transports of their channel; the archive never has them.

    What `capture://` would keep in the archive is kept in memory, for admins only.
    """

    def __init__(
        self,
        channels: Mapping[str, OpenChannel],
        sender: Sender,
        clock: Clock,
        ids: Callable[[], UUID],
    ) -> None:
        self._channels = channels
        self._sender = sender
        self._clock = clock
        self._ids = ids
        self._captured: deque[OutboxMessage] = deque(maxlen=_KEPT)

    def captured(self) -> Sequence[OutboxMessage]:
        """Return the messages that were kept instead of sent, newest first."""
        return tuple(self._captured)

    async def send(self, channel_name: str, to: str, rendering: Rendering) -> bool:
        """Send a message on a channel, and return whether it was sent.

        It is logged if that fails, without what it says.
        """
        channel, now, id = self._channels.get(channel_name), self._clock.now(), self._ids()
        if channel is None:
            log.warning("message.not_sent", channel=channel_name, error="there is no such channel")
            return False
        mixin = channel.spec.mixin
        content = mixin.prepare(rendering, channel.config)
        message = Message(id, to, rendering, now, content, Priority.high)
        _, result = await self._sender.send(mixin(), channel, message)
        if not isinstance(result, Sent):
            # Without the provider's words, which may contain the address.
            log.warning("message.not_sent", channel=channel_name, error=type(result).__name__)
            return False
        if result.captured is not None:
            kept = result.captured
            texts = (kept.channel, kept.address, kept.subject, kept.text, kept.html)
            self._captured.appendleft(OutboxMessage(id, None, id, *texts, now))
        return True
