"""The peer: a FastAPI endpoint with the same fields as plain types, which stores nothing."""

from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


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


@app.post("/v1/notifications", status_code=202)
async def accept(notification: Notification) -> Accepted:
    """Answer, and forget."""
    id = str(uuid4())
    status = "scheduled" if notification.send_at else "queued"
    return Accepted(id=id, status=status, href=f"/v1/notifications/{id}")
