"""The in-app channel: to people's inboxes, which are in the archive."""

from typing import Any, ClassVar
from uuid import UUID

from flashnotify.channels.transport import Transport
from flashnotify.domain import USER, InApp, Message, Sent
from flashnotify.meta import Channel, Field, Id, tracked


@tracked
class InAppMixin(Channel, channel="in_app"):
    """Puts a kind into people's inboxes."""

    scheme: ClassVar[str] = USER
    address: ClassVar[Field[Any]] = Id()
    parts: ClassVar[tuple[str, ...]] = ("in_app_title", "in_app")

    async def send_in_app(
        self, message: Message, transport: Transport[InApp], config: None
    ) -> Sent:
        """Put one message into the inbox of its recipient."""
        parts = message.rendering.parts
        return await transport.send(InApp(UUID(message.to), parts["in_app_title"], parts["in_app"]))
