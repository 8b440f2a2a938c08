"""Percentiles of a histogram."""

import random

import pytest

from flashnotify.domain import AttemptOutcome
from flashnotify.telemetry.statistics import BOUNDS, latency, percentile


def test_nothing_has_no_percentile() -> None:
    assert percentile({}, 0.5) is None


@pytest.mark.parametrize("part", [0.5, 0.95, 0.99])
def test_a_percentile_is_within_the_bucket_of_the_true_one(part: float) -> None:
    randomly = random.Random(7)
    samples = sorted(randomly.lognormvariate(3, 1.5) for _ in range(2000))
    buckets: dict[int, int] = {}
    for sample in samples:
        row = latency(0, "email", "smtp://x", AttemptOutcome.sent, sample)
        buckets[row["bucket"]] = buckets.get(row["bucket"], 0) + 1
    true = samples[int(part * len(samples)) - 1]
    found = percentile(buckets, part)
    above = next(bound for bound in BOUNDS if bound >= true)
    below = max((bound for bound in BOUNDS if bound < true), default=0)
    assert found is not None
    assert below <= found <= above


def test_beyond_the_last_bound_it_is_the_last_bound() -> None:
    assert percentile({len(BOUNDS): 5}, 0.5) == BOUNDS[-1]
