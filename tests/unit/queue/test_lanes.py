"""The lanes: in order within one, fair between them, bounded."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashnotify.domain import Priority
from flashnotify.queue.lanes import WEIGHTS, Lanes

ALL = frozenset(Priority)
URGENT = frozenset({Priority.high, Priority.critical})
LANES = st.sampled_from(Priority)


def empty(bound: int) -> Lanes[int]:
    """Return lanes of numbers, in the order of the numbers."""
    return Lanes(bound, key=lambda number: number)


def full(*lanes: Priority, each: int) -> Lanes[int]:
    """Return lanes with numbers waiting in some of them."""
    made = empty(each)
    for lane in lanes:
        for number in range(each):
            assert made.put(number, lane)
    return made


def served(lanes: Lanes[int], takes: int, of: frozenset[Priority] = ALL) -> list[Priority]:
    """Return the lanes that come next."""
    found = [lanes.take(of) for _ in range(takes)]
    return [lane for one in found if one is not None for lane in [one[1]]]


def drained(lanes: Lanes[int], lane: Priority) -> list[int]:
    """Return all numbers of a lane, as they come out."""
    numbers = []
    while found := lanes.take(frozenset({lane})):
        numbers.append(found[0])
    return numbers


@given(st.sets(LANES, min_size=1), st.integers(1, 5))
def test_shares_are_the_weights(busy: set[Priority], rounds: int) -> None:
    total = sum(WEIGHTS[lane] for lane in busy)
    order = served(full(*busy, each=64 * rounds), total * rounds)
    for lane in busy:
        assert abs(order.count(lane) - WEIGHTS[lane] * rounds) <= 1


@given(st.integers(0, 100), st.integers(0, 450))
def test_no_lane_starves(alone: int, urgent: int) -> None:
    """Takers of urgent lanes only, and lanes that were idle, run up no debt and no credit."""
    lanes = full(*Priority, each=600)
    served(lanes, alone)
    served(lanes, urgent, URGENT)
    order = served(lanes, sum(WEIGHTS.values()) * 2)
    for lane in Priority:
        turns = (WEIGHTS[other] / WEIGHTS[lane] for other in Priority if other is not lane)
        assert order.index(lane) <= sum(math.ceil(turn) + 2 for turn in turns)


@given(
    st.lists(st.tuples(LANES, st.integers()), max_size=50, unique_by=lambda pair: pair[1]),
    st.integers(1, 10),
)
def test_each_lane_is_bounded_and_in_order(items: list[tuple[Priority, int]], bound: int) -> None:
    lanes = empty(bound)
    model: dict[Priority, list[int]] = {lane: [] for lane in Priority}
    for lane, item in items:
        assert lanes.put(item, lane) is (len(model[lane]) < bound)
        model[lane] = sorted([*model[lane], item]) if len(model[lane]) < bound else model[lane]
        assert lanes.full(lane) is (len(model[lane]) == bound)
    assert len(lanes) == sum(map(len, model.values()))
    assert lanes.depth() == {lane: len(line) for lane, line in model.items()}
    taken: dict[Priority, list[int]] = {lane: [] for lane in Priority}
    while found := lanes.take(ALL):
        taken[found[1]].append(found[0])
    assert taken == model


def test_takes_only_from_the_lanes_that_are_asked_for() -> None:
    lanes = full(Priority.low, Priority.high, each=2)
    assert served(lanes, 3, URGENT) == [Priority.high] * 2
    assert lanes.take(URGENT) is None


@pytest.mark.parametrize(("item", "displaced"), [(-1, 2), (1.5, 2), (2, None), (3, None)])
def test_a_full_lane_gives_up_its_last_item_for_one_before_it(
    item: float, displaced: float | None
) -> None:
    lanes: Lanes[float] = Lanes(3, key=lambda number: number)
    for number in (0, 2, 1):
        assert lanes.put(number, Priority.low)
    assert lanes.displace(item, Priority.low) == displaced
    assert lanes.depth()[Priority.low] == 3
    left = [found[0] for found in iter(lambda: lanes.take(ALL), None)]
    assert left == ([0, 1, 2] if displaced is None else sorted([0, 1, item]))


@pytest.mark.parametrize("place", range(3))
def test_discarded_items_never_come_out(place: int) -> None:
    lanes = full(Priority.low, each=3)
    assert lanes.discard(place, Priority.low)
    assert not lanes.discard(place, Priority.low)
    assert not lanes.discard(7, Priority.high)
    assert drained(lanes, Priority.low) == [number for number in range(3) if number != place]
