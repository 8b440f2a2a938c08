"""Percentiles of a histogram."""

import random
from bisect import bisect_left

import pytest

from flashnotify.archive.statistics_records import LATENCY_BOUNDS as BOUNDS
from flashnotify.telemetry.statistics import percentile


def test_nothing_has_no_percentile() -> None:
    assert percentile({}, 0.5) is None


@pytest.mark.parametrize("part", [0.5, 0.95, 0.99])
def test_a_percentile_is_within_the_bucket_of_the_true_one(part: float) -> None:
    randomly = random.Random(7)
    samples = sorted(randomly.lognormvariate(3, 1.5) for _ in range(2000))
    buckets: dict[int, int] = {}
    for sample in samples:
        bucket = bisect_left(BOUNDS, sample)
        buckets[bucket] = buckets.get(bucket, 0) + 1
    true = samples[int(part * len(samples)) - 1]
    found = percentile(buckets, part)
    above = next(bound for bound in BOUNDS if bound >= true)
    below = max((bound for bound in BOUNDS if bound < true), default=0)
    assert found is not None
    assert below <= found <= above


def test_beyond_the_last_bound_it_is_the_last_bound() -> None:
    assert percentile({len(BOUNDS): 5}, 0.5) == BOUNDS[-1]
