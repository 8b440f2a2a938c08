"""`in-app:`, which has no server."""

from __future__ import annotations

from uuid import UUID

from flashnotify.channels.in_app.inbox import InAppTransport
from flashnotify.domain import InApp, Message, Sent
from tests.conformance.adapters.capture import CaptureAdapter


class InAppAdapter(CaptureAdapter, of=InAppTransport):
    """Messages in people's inboxes."""

    url = "in-app:"
    recipient = "01a204ab-133f-7000-95d3-66f8d33980d8"

    def content(self, message: Message) -> InApp:
        return InApp(UUID(message.to), "Room changed", message.rendering.parts["text"])

    def note(self, sent: Sent) -> None:
        assert sent.in_app is not None
        self._kept.append(sent.in_app.text)
