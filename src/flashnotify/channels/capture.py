"""`capture://` keeps messages in the archive for a person to see. Nothing leaves the machine."""

from typing import ClassVar

from flashnotify.channels.transport import Content, Transport
from flashnotify.domain import Sent


class CaptureTransport(Transport[Content]):
    """The default transport of every channel."""

    schemes: ClassVar[tuple[str, ...]] = ("capture",)

    async def check(self) -> str:
        """Return where messages go: there is no server to test."""
        return "messages are kept in the outbox, nothing leaves this machine"

    async def send(self, content: Content) -> Sent:
        """Return the message in the result; the archive commits both together."""
        return Sent(answer="kept in the outbox", captured=content.captured())
