"""What follows from the attempts at a delivery: finish with a status, or reschedule."""

from collections.abc import Sequence

from flashnotify import errors
from flashnotify.archive import records
from flashnotify.delivery.transports import SendResult
from flashnotify.domain import DeliveryStatus, Device, Priority, Sent
from flashnotify.meta.specs import RetryPolicy


def dispose(
    result: SendResult,
    notification: records.Notification,
    delivery: records.Delivery,
    attempts: Sequence[records.Attempt],
    *,
    policy: RetryPolicy,
    device: Device | None,
    now: int,
    jitter: float,
) -> records.Disposition:
    """Return the disposition after `attempts`, the last of which ended with `result`.

    `now` is in milliseconds since the epoch, `jitter` a random number from 0 to 1.
    """
    if isinstance(result, Sent):
        kept = result.in_app is not None
        return records.Finish(DeliveryStatus.delivered if kept else DeliveryStatus.sent)
    if isinstance(result, errors.Rejected):
        gone = device.id if isinstance(result, errors.Gone) and device is not None else None
        return records.Finish(DeliveryStatus.failed, result.reason, drop_device=gone)
    number = delivery.attempts + len(attempts)
    at = next_attempt(
        policy,
        notification.priority,
        attempts=number,
        first_attempt_at=delivery.first_attempt_at or attempts[0].at,
        now=now,
        jitter=jitter,
        retry_after=result.after if isinstance(result, errors.Retryable) else None,
    )
    if at is None:
        reason = f"gave up after {number} attempts; last answer: {result.reason}"
        return records.Finish(DeliveryStatus.failed, reason)
    if notification.expires_at is not None and at >= notification.expires_at:
        reason = f"expired before the next attempt; last answer: {result.reason}"
        return records.Finish(DeliveryStatus.failed, reason)
    return records.Reschedule(at, result.reason)


def next_attempt(
    policy: RetryPolicy,
    priority: Priority,
    *,
    attempts: int,
    first_attempt_at: int,
    now: int,
    jitter: float,
    retry_after: float | None = None,
) -> int | None:
    """Return when to attempt again after `attempts` attempts, or None to give up.

    Full jitter: the wait is `jitter` (0 to 1) times a bound that doubles with each attempt. A
    provider's `retry_after`, in seconds, is the least wait, with some jitter after it, but the end
    of the delivery's life is never passed without a last attempt. Other times are milliseconds
    since the epoch.
    """
    critical = priority is Priority.critical
    lifetime = max(policy.lifetime, policy.urgent_lifetime) if critical else policy.lifetime
    end = first_attempt_at + round(lifetime * 1000)
    if now >= end:
        return None
    hurried = critical and now < first_attempt_at + policy.urgent_period * 1000
    cap = min(policy.cap, policy.urgent_cap) if hurried else policy.cap
    bound = min(cap, policy.base * 2 ** min(attempts - 1, 32))
    at = now + round(jitter * bound * 1000)
    if retry_after is not None:
        # All that were refused together must not come back together.
        asked = now + round((retry_after + jitter * min(bound, retry_after)) * 1000)
        at = max(at, min(asked, end))
    return at if at <= end else None
