"""Follow the deliveries of a notification, and advance time to the next attempt."""

from datetime import datetime
from typing import Any

from tests.support.manual_clock import ManualClock
from tests.support.running import Running


async def delivery_of(service: Running, id: str) -> dict[str, Any]:
    """Return the only delivery of a notification, once it exists."""
    page = await service.until(f"/v1/notifications/{id}/deliveries", lambda p: len(p["items"]) == 1)
    found: dict[str, Any] = page["items"][0]
    return found


async def tried(service: Running, id: str, attempts: int = 1) -> dict[str, Any]:
    """Return the only delivery of a notification, once it has so many attempts."""
    page = await service.until(
        f"/v1/notifications/{id}/deliveries",
        lambda p: p["items"] and p["items"][0]["attempt_count"] >= attempts,
    )
    found: dict[str, Any] = page["items"][0]
    assert found["attempt_count"] == attempts
    return found


async def until_due(service: Running, clock: ManualClock, delivery: dict[str, Any]) -> None:
    """Advance time to the next attempt at `delivery`."""
    wait = milliseconds(delivery["next_attempt_at"]) - clock.now()
    if wait > 0:
        await clock.advance((wait - 1) / 1000)
        # It is not due yet: whoever would try now shows by the time of the attempt.
        for _ in range(5):
            await service.get("/healthz")
        await clock.advance(0.001)


async def let_pass(service: Running, clock: ManualClock, seconds: int) -> None:
    """Advance time second by second, so that no commit seems slow."""
    for _ in range(seconds):
        await clock.advance(1)
        await service.service.writer.write()


def milliseconds(moment: str) -> int:
    """Convert a time of the API to milliseconds since the epoch."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def answers(delivery: dict[str, Any]) -> list[str | None]:
    """Return the server's reply to each attempt."""
    return [attempt["answer"] for attempt in delivery["attempts"]]


def outcomes(delivery: dict[str, Any]) -> list[str]:
    """Return the outcome of each attempt."""
    return [attempt["outcome"] for attempt in delivery["attempts"]]
