"""The queue: in order within a lane, fair between lanes, bounded, nothing twice, nothing lost."""

import asyncio
from bisect import insort
from collections.abc import Coroutine
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashnotify.domain import Job, Priority
from flashnotify.queue.async_queue import AsyncQueue
from flashnotify.queue.base import QueueClosed
from flashnotify.queue.lanes import WEIGHTS

ALL = frozenset(Priority)
URGENT = frozenset({Priority.high, Priority.critical})


def job(number: int, priority: Priority, turn: int = 0) -> Job:
    """Return a fan-out job."""
    return Job(UUID(int=number), UUID(int=0), priority, turn=turn)


def items(lane: Priority, number: int, start: int = 0) -> list[Job]:
    """Return items of a lane, each with the turn after the one before."""
    numbers = range(start, start + number)
    return [job((int(lane) << 32) + n, lane, turn=n) for n in numbers]


def new(bound: int) -> AsyncQueue:
    """Return a queue that tells nobody when a lane is low."""
    return AsyncQueue(bound, lambda lane: None)


def fill(queue: AsyncQueue, *some: Job) -> None:
    """Put all of them."""
    for item in some:
        assert queue.put(item, item.priority)


def now(get: Coroutine[None, None, Job]) -> Job | None:
    """Return what `get` gives without waiting, if anything."""
    try:
        get.send(None)
    except StopIteration as given:
        item = given.value
        assert isinstance(item, Job)
        return item
    get.close()
    return None


async def settle() -> None:
    """Let everything go on that can."""
    for _ in range(20):
        await asyncio.sleep(0)


LANES = st.sampled_from(Priority)
# What happens to a queue: a new item is put, one is put again, an item is taken by somebody who
# takes all or only urgent items, one in flight is done.
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), LANES, st.integers(0, 9)),
        st.tuples(st.just("again"), st.integers(0, 40), st.none()),
        st.tuples(st.just("get"), st.sampled_from([ALL, URGENT]), st.none()),
        st.tuples(st.just("done"), st.integers(0, 20), st.none()),
    ),
    max_size=200,
)


class Model:
    """Lanes as sorted lists, and what is known to be on disk only."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.lanes: dict[Priority, list[Job]] = {lane: [] for lane in Priority}
        self.in_flight: list[Job] = []
        # The place of the first item that is on disk only.
        self.overflow: dict[Priority, tuple[int, UUID]] = {}
        self.turns: dict[Priority, int] = dict.fromkeys(Priority, 0)
        self.low: list[Priority] = []

    def put(self, item: Job) -> bool:
        lane = self.lanes[item.priority]
        if item in lane or item in self.in_flight:
            return True
        if item.priority in self.overflow and item.place >= self.overflow[item.priority]:
            return False
        insort(lane, item, key=lambda item: item.place)
        if len(lane) > self.bound:
            last = lane.pop()
            self.overflow[item.priority] = last.place
            return last is not item
        return True

    def take(self, item: Job) -> None:
        assert self.lanes[item.priority].pop(0) == item
        self.in_flight.append(item)
        self.turns[item.priority] = max(self.turns[item.priority], item.place[0])
        if item.priority in self.overflow and len(self.lanes[item.priority]) <= self.bound // 4:
            del self.overflow[item.priority]
            self.low.append(item.priority)


@settings(max_examples=300)
@given(OPERATIONS, st.integers(1, 6))
async def test_behaves_as_sorted_lanes_with_displacement(
    operations: list[tuple[str, object, int | None]], bound: int
) -> None:
    """Against a model: order, the bound, no id twice, answers, depth, turns, low-water marks."""
    low: list[Priority] = []
    queue: AsyncQueue = AsyncQueue(bound, low.append)
    model = Model(bound)
    known: list[Job] = []
    for what, detail, turn in operations:
        match what, detail:
            case "put", Priority() as lane:
                item = job(len(known), lane, turn or 0)
                known.append(item)
                assert queue.put(item, lane) is model.put(item)
            case "again", int(number) if known:
                item = known[number % len(known)]
                assert queue.put(item, item.priority) is model.put(item)
            case "get", frozenset() as lanes:
                if not any(model.lanes[lane] for lane in lanes):
                    assert now(queue.get(lanes)) is None
                    continue
                item = await queue.get(lanes)
                assert item.priority in lanes
                model.take(item)
            case "done", int(number) if model.in_flight:
                queue.done(model.in_flight.pop(number % len(model.in_flight)))
        assert queue.depth() == {lane: len(waiting) for lane, waiting in model.lanes.items()}
        assert {lane: queue.turn(lane) for lane in Priority} == model.turns
        assert {lane for lane in Priority if queue.has_overflowed(lane)} == set(model.overflow)
        assert low == model.low
        in_flight = {lane: queue.in_flight(lane) for lane in Priority}
        assert in_flight == {
            lane: sum(item.priority is lane for item in model.in_flight) for lane in Priority
        }


def patience(lane: Priority, others: frozenset[Priority]) -> int:
    """Return the most gets that take all lanes before `lane` has its turn."""
    return 1 + sum(-(-WEIGHTS[other] // WEIGHTS[lane]) + 2 for other in others - {lane})


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("fill"), LANES),
            st.tuples(st.just("all"), st.integers(1, 120)),
            st.tuples(st.just("urgent"), st.integers(1, 400)),
        ),
        max_size=30,
    ),
)
async def test_every_lane_that_waits_has_its_turn(operations: list[tuple[str, int]]) -> None:
    """Whatever came before, and however much is taken by those who take urgent work only."""
    queue = new(100_000)
    waits = dict.fromkeys(Priority, 0)
    number = 0
    for what, detail in operations:
        if what == "fill":
            lane = Priority(detail)
            fill(queue, *(job(number + n, lane) for n in range(500)))
            number += 500
            continue
        for _ in range(detail):
            lanes = ALL if what == "all" else URGENT
            waiting = frozenset(lane for lane, depth in queue.depth().items() if depth)
            if not waiting & lanes:
                break
            item = await queue.get(lanes)
            queue.done(item)
            if lanes is ALL:
                for lane in waiting:
                    waits[lane] += 1
                    assert waits[lane] <= patience(lane, ALL), lane
            waits[item.priority] = 0


async def test_lanes_share_by_weight_while_all_are_full() -> None:
    queue = new(1000)
    for lane in Priority:
        fill(queue, *items(lane, 1000))
    served = [(await queue.get(ALL)).priority for _ in range(85 * 5)]
    assert {lane: served.count(lane) for lane in Priority} == {
        lane: weight * 5 for lane, weight in WEIGHTS.items()
    }


@pytest.mark.parametrize("backlog", [Priority.low, Priority.medium, Priority.high])
async def test_urgent_work_comes_next_however_much_else_waits(backlog: Priority) -> None:
    queue = new(5000)
    fill(queue, *items(backlog, 5000))
    for _ in range(3000):
        await queue.get(ALL)
    fill(queue, *items(Priority.critical, 3))
    served = [(await queue.get(ALL)).priority for _ in range(4)]
    assert served.count(Priority.critical) == 3


async def test_an_idle_queue_gives_the_most_urgent_first() -> None:
    queue = new(10)
    for lane in Priority:
        fill(queue, *items(lane, 1))
    assert [(await queue.get(ALL)).priority for _ in Priority] == sorted(Priority, reverse=True)


async def test_a_lane_that_was_idle_does_not_catch_up() -> None:
    queue = new(1000)
    fill(queue, *items(Priority.critical, 1000))
    for _ in range(640):
        await queue.get(ALL)
    fill(queue, *items(Priority.low, 100))
    served = [(await queue.get(ALL)).priority for _ in range(130)]
    assert served.count(Priority.low) <= 3


async def test_urgent_only_takes_nothing_else() -> None:
    queue = new(10)
    fill(queue, *items(Priority.low, 5), *items(Priority.medium, 5))
    getter = asyncio.create_task(queue.get(URGENT))
    await settle()
    assert not getter.done()
    fill(queue, *items(Priority.high, 1))
    assert (await getter).priority is Priority.high


async def test_an_id_is_never_queued_twice_until_it_is_done() -> None:
    queue = new(10)
    (item,) = items(Priority.low, 1)
    assert queue.put(item, item.priority)
    assert queue.put(item, item.priority)
    # Nor in another lane, nor with another turn.
    assert queue.put(item, Priority.high)
    assert queue.put(replace(item, turn=7), item.priority)
    assert sum(queue.depth().values()) == 1
    assert await queue.get(ALL) == item
    assert queue.put(item, item.priority)
    assert sum(queue.depth().values()) == 0
    queue.done(item)
    assert queue.put(item, item.priority)
    assert sum(queue.depth().values()) == 1


async def test_the_turn_of_a_lane_never_goes_back() -> None:
    queue = new(10)
    fill(queue, job(1, Priority.low, turn=5))
    assert queue.turn(Priority.low) == 0
    await queue.get(ALL)
    assert [queue.turn(lane) for lane in (Priority.low, Priority.high)] == [5, 0]
    fill(queue, job(2, Priority.low, turn=3))
    await queue.get(ALL)
    assert queue.turn(Priority.low) == 5


async def test_one_full_lane_leaves_the_others_room() -> None:
    queue = new(3)
    fill(queue, *items(Priority.low, 3))
    late = job(99, Priority.low, turn=9)
    assert not queue.put(late, Priority.low)
    assert queue.put(late, Priority.high)


async def test_a_displaced_item_may_be_queued_again() -> None:
    queue = new(2)
    first, second = items(Priority.low, 2, start=5)
    fill(queue, first, second, job(1, Priority.low, turn=0))
    assert queue.has_overflowed(Priority.low)
    assert queue.depth()[Priority.low] == 2
    for _ in range(2):
        await queue.get(ALL)
    # Not as "queued already".
    assert queue.put(second, Priority.low)
    assert queue.depth()[Priority.low] == 1


async def test_nothing_overtakes_items_that_are_on_disk_only() -> None:
    """A lane that overflowed has room again, but its next item is on disk."""
    queue = new(8)
    fill(queue, *items(Priority.low, 8))
    assert not queue.put(job(99, Priority.low, turn=20), Priority.low)
    for _ in range(5):
        await queue.get(ALL)
    assert not queue.put(job(98, Priority.low, turn=21), Priority.low)
    assert queue.put(job(97, Priority.low, turn=19), Priority.low)


async def test_asks_for_more_once_a_lane_that_overflowed_has_drained_to_a_quarter() -> None:
    asked: list[Priority] = []
    queue: AsyncQueue = AsyncQueue(8, asked.append)
    fill(queue, *items(Priority.low, 8), *items(Priority.high, 8))
    assert not queue.put(job(99, Priority.low, turn=99), Priority.low)
    while queue.depth()[Priority.low] > 3:
        await queue.get(ALL)
    assert asked == []
    while queue.depth()[Priority.low] > 2:
        await queue.get(ALL)
    assert asked == [Priority.low]
    while any(queue.depth().values()):
        await queue.get(ALL)
    # Once, and not for the lane that never overflowed.
    assert asked == [Priority.low]


async def test_asks_for_more_after_an_item_was_displaced() -> None:
    asked: list[Priority] = []
    queue: AsyncQueue = AsyncQueue(2, asked.append)
    fill(queue, *items(Priority.low, 2, start=5), job(1, Priority.low, turn=0))
    for _ in range(2):
        await queue.get(ALL)
    assert asked == [Priority.low]


async def test_tracks_items_that_finish_meanwhile() -> None:
    queue = new(8)
    before, during, after = items(Priority.low, 3)
    fill(queue, before, during, after)
    for _ in range(3):
        await queue.get(ALL)
    queue.done(before)
    with queue.tracking_done() as done, queue.tracking_done() as other:
        queue.done(during)
        assert done == other == {during.id}
    queue.done(after)
    assert done == {during.id}


async def test_closing_gives_out_nothing_more() -> None:
    queue = new(8)
    waiting = [asyncio.create_task(queue.get(lanes)) for lanes in (ALL, URGENT, ALL)]
    await settle()
    queue.close()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [QueueClosed] * 3
    assert not queue.put(job(1, Priority.low), Priority.low)
    with pytest.raises(QueueClosed):
        await queue.get(ALL)


async def test_closing_keeps_waiting_items_back() -> None:
    queue = new(8)
    fill(queue, *items(Priority.critical, 2))
    queue.close()
    with pytest.raises(QueueClosed):
        await queue.get(ALL)


async def test_each_item_wakes_a_waiting_consumer() -> None:
    """The one who is woken for `low` takes `high`; then the third must come for `low`."""
    queue = new(8)
    waiting = [asyncio.create_task(queue.get(lanes)) for lanes in (ALL, URGENT, ALL)]
    await settle()
    fill(queue, *items(Priority.low, 1), *items(Priority.high, 1))
    await settle()
    assert sum(queue.depth().values()) == 0
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from([ALL, URGENT]), max_size=4),
            st.lists(LANES, max_size=4),
            st.lists(st.integers(0, 10), max_size=3),
        ),
        max_size=10,
    )
)
async def test_no_item_is_lost_and_no_waiter_is_forgotten(
    rounds: list[tuple[list[frozenset[Priority]], list[Priority], list[int]]],
) -> None:
    """Some begin to wait, some items come, and gets are cancelled while an item is on its way."""
    queue = new(100)
    getters: list[tuple[frozenset[Priority], asyncio.Task[Job]]] = []
    number = 0
    for waiting, coming, cancelled in rounds:
        getters += [(lanes, asyncio.create_task(queue.get(lanes))) for lanes in waiting]
        await settle()
        for lane in coming:
            number += 1
            fill(queue, job(number, lane))
        for which in cancelled:
            if getters:
                getters[which % len(getters)][1].cancel()
        await settle()
        taken = [task.result() for _, task in getters if task.done() and not task.cancelled()]
        assert len({item.id for item in taken}) == len(taken)
        assert len(taken) + sum(queue.depth().values()) == number
        for lanes, task in getters:
            idle = not task.done() and any(queue.depth()[lane] for lane in lanes)
            assert not idle, "somebody waits beside work"
    for _, task in getters:
        task.cancel()
    await asyncio.gather(*(task for _, task in getters), return_exceptions=True)
