"""What follows from the attempts at a delivery: finish with a status, or reschedule."""

from __future__ import annotations

from collections.abc import Sequence

from flashnotify.archive.records import (
    Attempt,
    Delivery,
    Disposition,
    Finish,
    Notification,
    Reschedule,
)
from flashnotify.delivery.retry import next_attempt
from flashnotify.domain import DeliveryStatus, Device, Sent
from flashnotify.errors import Gone, Rejected, Retryable, TransportError
from flashnotify.meta.specs import RetryPolicy


def dispose(
    result: Sent | TransportError,
    notification: Notification,
    delivery: Delivery,
    attempts: Sequence[Attempt],
    *,
    policy: RetryPolicy,
    device: Device | None,
    now: int,
    jitter: float,
) -> Disposition:
    """Return the disposition after `attempts`, the last of which ended with `result`.

    `now` is in milliseconds since the epoch, `jitter` a random number from 0 to 1.
    """
    if isinstance(result, Sent):
        return Finish(DeliveryStatus.sent)
    if isinstance(result, Rejected):
        gone = device.id if isinstance(result, Gone) and device is not None else None
        return Finish(DeliveryStatus.failed, result.reason, drop_device=gone)
    number = delivery.attempts + len(attempts)
    at = next_attempt(
        policy,
        notification.priority,
        attempts=number,
        first_attempt_at=delivery.first_attempt_at or attempts[0].at,
        now=now,
        jitter=jitter,
        retry_after=result.after if isinstance(result, Retryable) else None,
    )
    if at is None:
        reason = f"gave up after {number} attempts; last answer: {result.reason}"
        return Finish(DeliveryStatus.failed, reason)
    if notification.expires_at is not None and at >= notification.expires_at:
        reason = f"expired before the next attempt; last answer: {result.reason}"
        return Finish(DeliveryStatus.failed, reason)
    return Reschedule(at, result.reason)
