"""What the peers take and answer: FlashNotify's fields as plain types."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel


class Notification(BaseModel):
    """A notification as FlashNotify takes it."""

    kind: str
    title: str
    body: str
    to: list[str]
    data: dict[str, Any] = {}
    priority: Literal["low", "medium", "high", "critical"] | None = None
    channels: list[str] | None = None
    locale: str | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    reference: str | None = None


class Accepted(BaseModel):
    """What an accept is answered with."""

    id: str
    status: str
    href: str


def accepted(id: str, notification: Notification) -> Accepted:
    """Return the answer to a notification."""
    status = "scheduled" if notification.send_at else "queued"
    return Accepted(id=id, status=status, href=f"/v1/notifications/{id}")
