"""Ids, priorities and times."""

import itertools
import random
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from flashnotify.archive.sql.lists import first_id
from flashnotify.domain import (
    Priority,
    milliseconds,
    moment,
)
from flashnotify.ids import UUIDv7

NOW = 1_800_000_000_000


def test_ids_are_uuids_of_version_7_with_their_time() -> None:
    id = UUIDv7(lambda: NOW)()
    assert id.version == 7
    assert id.variant == "specified in RFC 4122"
    assert id.int >> 80 == NOW


@given(st.lists(st.integers(0, 2**47), min_size=1, max_size=100))
def test_ids_increase_strictly_even_if_the_clock_goes_back(times: list[int]) -> None:
    ticks = iter(times)
    make = UUIDv7(lambda: next(ticks))
    ids = [make() for _ in times]
    assert all(before < after for before, after in itertools.pairwise(ids))
    assert {id.version for id in ids} == {7}
    assert {id.variant for id in ids} == {"specified in RFC 4122"}


def test_more_ids_than_a_millisecond_has_go_into_the_next() -> None:
    make = UUIDv7(lambda: NOW)
    ids = [make() for _ in range(10_000)]
    assert ids == sorted(set(ids))
    assert {id.version for id in ids} == {7}
    assert ids[-1].int >> 80 == NOW + 2


def test_after_a_clock_that_went_back_ids_go_on_from_the_latest() -> None:
    now = NOW
    make = UUIDv7(lambda: now)
    before = make()
    now = NOW - 3_600_000
    after = make()
    assert after > before
    now = NOW + 5
    assert make().int >> 80 == NOW + 5


def test_ids_of_two_processes_differ() -> None:
    first, second = UUIDv7(lambda: NOW), UUIDv7(lambda: NOW)
    assert not {first() for _ in range(1000)} & {second() for _ in range(1000)}


@given(st.integers(0, 2**48 - 2))
def test_the_first_id_of_a_millisecond_divides_earlier_from_later(ms: int) -> None:
    assert first_id(ms).version == 7
    assert first_id(ms) <= UUIDv7(lambda: ms)() < first_id(ms + 1)


def test_times_out_of_range_still_divide() -> None:
    id = UUIDv7(lambda: NOW)()
    assert first_id(-(10**20)) < id < first_id(10**20)


def test_high_and_critical_are_urgent() -> None:
    assert [priority.name for priority in Priority if priority.urgent] == ["high", "critical"]
    assert sorted(Priority) == list(Priority)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_milliseconds_and_moments_are_the_same(ms: int) -> None:
    assert milliseconds(moment(ms)) == ms
    assert moment(ms).tzinfo is UTC


def test_milliseconds_know_the_offset() -> None:
    offset = timezone(timedelta(hours=random.Random(1).randint(-12, 12)))
    at = datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert milliseconds(at) == milliseconds(at.astimezone(offset)) == 1_796_112_000_000
