"""A bare FastAPI endpoint, which stores nothing."""

from uuid import uuid4

from fastapi import FastAPI

from benchmarks.peers.requests import Accepted, Notification, accepted

app = FastAPI()


@app.post("/v1/notifications", status_code=202)
async def accept(notification: Notification) -> Accepted:
    """Answer, and forget."""
    return accepted(str(uuid4()), notification)
