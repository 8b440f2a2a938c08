"""Whether and when a delivery is tried again: a decision, which never sleeps."""

from __future__ import annotations

import random
from dataclasses import dataclass

from flashnotify.domain import Priority
from flashnotify.errors import Rejected, Retryable, TransportError
from flashnotify.meta.specs import RetryPolicy


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again at `at`, in milliseconds since the epoch."""

    at: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The delivery has failed."""

    reason: str


def decide(
    error: TransportError,
    *,
    policy: RetryPolicy,
    priority: Priority,
    attempts: int,
    first_attempt_at: int,
    expires_at: int | None,
    now: int,
    random: random.Random,
) -> RetryAt | GiveUp:
    """What follows attempt number `attempts` (from 1), which ended with `error` at `now`.

    Full jitter: the wait is drawn evenly from zero to a bound that doubles. A provider's
    Retry-After is the least wait. Times are milliseconds since the epoch.
    """
    if isinstance(error, Rejected):
        return GiveUp(error.reason)
    critical = priority is Priority.critical
    cap = min(policy.cap, policy.urgent_cap) if critical else policy.cap
    lifetime = min(policy.lifetime, policy.urgent_lifetime) if critical else policy.lifetime
    bound = min(cap, policy.base * 2 ** min(attempts - 1, 32))
    at = now + round(random.uniform(0, bound) * 1000)
    end = first_attempt_at + round(lifetime * 1000)
    if isinstance(error, Retryable) and error.after is not None:
        # However long a provider asks for: before its time is over there is one more try.
        at = max(at, min(now + round(error.after * 1000), end))
    if expires_at is not None and at >= expires_at:
        return GiveUp(f"expired before the next attempt; the last one said: {error.reason}")
    if at > end or now >= end:
        return GiveUp(f"gave up after {attempts} attempts; the last one said: {error.reason}")
    return RetryAt(at)
