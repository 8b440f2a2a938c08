"""What statistics are made of: counts by ten minutes, latencies by the minute."""

from __future__ import annotations

import bisect
from typing import Any

from flashnotify.domain import AttemptOutcome

# Milliseconds of the intervals that counts and latencies are kept by.
_COUNTS = 600_000
_LATENCIES = 60_000
# The status under which accepted notifications are counted, beside those of deliveries.
ACCEPTED = "accepted"
# Upper bounds, in milliseconds, of the latency histogram's buckets; above the last is one more.
BOUNDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000)


def total(at: int, kind: str, channel: str, status: str) -> dict[str, Any]:
    """One more of `status` at `at`, in milliseconds since the epoch."""
    return {
        "since": at - at % _COUNTS,
        "kind": kind,
        "channel": channel,
        "status": status,
        "number": 1,
    }


def latency(
    at: int, channel: str, transport: str, outcome: AttemptOutcome, duration_ms: float
) -> dict[str, Any]:
    """One more attempt at `at`, in milliseconds since the epoch, that took `duration_ms`."""
    return {
        "since": at - at % _LATENCIES,
        "channel": channel,
        "transport": transport,
        "bucket": bisect.bisect_left(BOUNDS, duration_ms),
        "attempts": 1,
        "failures": int(outcome is not AttemptOutcome.sent),
    }


def percentile(buckets: dict[int, int], part: float) -> float | None:
    """The latency in milliseconds below which `part` (0 to 1) of the attempts were.

    Interpolated within its bucket, as Prometheus' histogram_quantile does; in the last bucket,
    which has no end, its beginning.
    """
    attempts = sum(buckets.values())
    if not attempts:
        return None
    wanted, seen = part * attempts, 0
    for bucket in sorted(buckets):
        number = buckets[bucket]
        if seen + number >= wanted and number:
            if bucket >= len(BOUNDS):
                return float(BOUNDS[-1])
            low = BOUNDS[bucket - 1] if bucket else 0
            return round(low + (BOUNDS[bucket] - low) * (wanted - seen) / number, 3)
        seen += number
    return float(BOUNDS[-1])
