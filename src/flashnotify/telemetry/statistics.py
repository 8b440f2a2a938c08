"""Ages of what is due, and percentiles of the latency histograms that the archive keeps."""

from collections.abc import Mapping

from flashnotify.archive.statistics_records import LATENCY_BOUNDS


def seconds_due(due: int | None, now: int) -> float:
    """Return for how long something has been due; 0 if nothing is. Times are milliseconds."""
    return 0.0 if due is None else max(0, now - due) / 1000


def percentile(buckets: Mapping[int, int], fraction: float) -> float | None:
    """Return the latency, in milliseconds, below which `fraction` (0 to 1) of the attempts were.

    It is interpolated within its bucket, as Prometheus' histogram_quantile does. The last bucket
    has no upper bound, so its lower bound is returned.
    """
    attempts = sum(buckets.values())
    if not attempts:
        return None
    rank, seen = fraction * attempts, 0
    for bucket in sorted(buckets):
        count = buckets[bucket]
        if seen + count >= rank and count:
            if bucket >= len(LATENCY_BOUNDS):
                return float(LATENCY_BOUNDS[-1])
            low = LATENCY_BOUNDS[bucket - 1] if bucket else 0
            return round(low + (LATENCY_BOUNDS[bucket] - low) * (rank - seen) / count, 3)
        seen += count
    return float(LATENCY_BOUNDS[-1])
