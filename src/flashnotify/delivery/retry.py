"""When a delivery is attempted again: a calculation, which never sleeps."""

from flashnotify.domain import Priority
from flashnotify.meta.specs import RetryPolicy


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
    provider's `retry_after`, in seconds, is the least wait, but the end of the delivery's life is
    never passed without a last attempt. Other times are milliseconds since the epoch.
    """
    urgent = priority is Priority.critical
    cap = min(policy.cap, policy.urgent_cap) if urgent else policy.cap
    lifetime = min(policy.lifetime, policy.urgent_lifetime) if urgent else policy.lifetime
    end = first_attempt_at + round(lifetime * 1000)
    if now >= end:
        return None
    bound = min(cap, policy.base * 2 ** min(attempts - 1, 32))
    at = now + round(jitter * bound * 1000)
    if retry_after is not None:
        at = max(at, min(now + round(retry_after * 1000), end))
    return at if at <= end else None
