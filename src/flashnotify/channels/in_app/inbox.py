"""The transport to people's inboxes, which are in the archive."""

from typing import Any, ClassVar

from flashnotify.channels.limiter import ConnectionLimiter
from flashnotify.channels.transport import Transport
from flashnotify.domain import InApp, Sent


class InAppTransport(Transport[InApp]):
    """`in-app:`, which no setting names: a person finds the message in their inbox."""

    schemes: ClassVar[tuple[str, ...]] = ("in-app",)
    waits: ClassVar[bool] = False

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # It never waits, so that several at once would only cost more.
        self.connections = ConnectionLimiter(1)

    async def check(self) -> str:
        """Return where messages go: there is no server to test."""
        return "messages are kept in people's inboxes"

    async def send(self, content: InApp) -> Sent:
        """Return the message in the result; the archive commits both together."""
        return Sent(answer="kept in the inbox", in_app=content)
