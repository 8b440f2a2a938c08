"""The queue: in order within a lane, fair between lanes, bounded, nothing twice, nothing lost."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashnotify.domain import Priority
from flashnotify.queue.async_queue import WEIGHTS, AsyncQueue
from flashnotify.queue.base import QueueClosed

ALL = frozenset(Priority)
URGENT = frozenset({Priority.high, Priority.critical})


@dataclass(frozen=True)
class Item:
    """Something to queue."""

    id: UUID
    lane: Priority

    @classmethod
    def make(cls, number: int, lane: Priority) -> "Item":
        return cls(UUID(int=number), lane)


def items(lane: Priority, number: int, start: int = 0) -> list[Item]:
    """Some items of a lane."""
    return [Item.make((int(lane) << 32) + n, lane) for n in range(start, start + number)]


def fill(queue: AsyncQueue[Item], *some: Item) -> None:
    """Put all of them."""
    for item in some:
        assert queue.put(item, item.lane)


def now(get: Coroutine[None, None, Item]) -> Item | None:
    """What `get` gives without waiting, if it does."""
    try:
        get.send(None)
    except StopIteration as given:
        item = given.value
        assert isinstance(item, Item)
        return item
    get.close()
    return None


async def settle() -> None:
    """Let everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


LANES = st.sampled_from(Priority)
# What happens to a queue: something is put, an item is taken by one that takes all or only urgent
# items, one in hand is done.
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), LANES),
        st.tuples(st.just("get"), st.sampled_from([ALL, URGENT])),
        st.tuples(st.just("done"), st.integers(0, 20)),
        st.tuples(st.just("again"), st.integers(0, 40)),
    ),
    max_size=200,
)


@settings(max_examples=200)
@given(OPERATIONS, st.integers(1, 6))
async def test_behaves_as_lanes_of_fifos(operations: list[tuple[str, object]], bound: int) -> None:
    """Against a model: order within a lane, the bound, no id twice, what `put` answers, depth."""
    queue: AsyncQueue[Item] = AsyncQueue(bound)
    model: dict[Priority, deque[Item]] = {lane: deque() for lane in Priority}
    known: list[Item] = []
    hand: list[Item] = []
    for what, detail in operations:
        held = {item.id for lane in model.values() for item in lane} | {i.id for i in hand}
        if what in ("put", "again"):
            if what == "put":
                assert isinstance(detail, Priority)
                item = Item.make(len(known), detail)
                known.append(item)
            elif known:
                assert isinstance(detail, int)
                item = known[detail % len(known)]
            else:
                continue
            fits = len(model[item.lane]) < bound
            assert queue.put(item, item.lane) is (fits or item.id in held)
            if fits and item.id not in held:
                model[item.lane].append(item)
        elif what == "get":
            assert isinstance(detail, frozenset)
            if not any(model[lane] for lane in detail):
                assert now(queue.get(detail)) is None
                continue
            item = await queue.get(detail)
            assert item.lane in detail
            assert item == model[item.lane].popleft()
            hand.append(item)
        elif hand:
            assert isinstance(detail, int)
            queue.done(hand.pop(detail % len(hand)))
        assert queue.depth() == {lane: len(waiting) for lane, waiting in model.items()}
        assert all(queue.room(lane) == bound - len(model[lane]) for lane in Priority)
        assert queue.held == len(hand) + sum(map(len, model.values()))


def patience(lane: Priority, others: frozenset[Priority]) -> int:
    """The most gets that take all lanes before `lane` has its turn."""
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
    queue: AsyncQueue[Item] = AsyncQueue(100_000)
    waits = dict.fromkeys(Priority, 0)
    number = 0
    for what, detail in operations:
        if what == "fill":
            lane = Priority(detail)
            fill(queue, *(Item.make(number + n, lane) for n in range(500)))
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
            waits[item.lane] = 0


async def test_lanes_share_by_weight_while_all_are_full() -> None:
    queue: AsyncQueue[Item] = AsyncQueue(1000)
    for lane in Priority:
        fill(queue, *items(lane, 1000))
    served = [(await queue.get(ALL)).lane for _ in range(85 * 5)]
    assert {lane: served.count(lane) for lane in Priority} == {
        lane: weight * 5 for lane, weight in WEIGHTS.items()
    }


@pytest.mark.parametrize("backlog", [Priority.low, Priority.medium, Priority.high])
async def test_urgent_work_comes_next_however_much_else_waits(backlog: Priority) -> None:
    queue: AsyncQueue[Item] = AsyncQueue(5000)
    fill(queue, *items(backlog, 5000))
    for _ in range(3000):
        await queue.get(ALL)
    fill(queue, *items(Priority.critical, 3))
    served = [(await queue.get(ALL)).lane for _ in range(4)]
    assert served.count(Priority.critical) == 3


async def test_an_idle_queue_gives_the_most_urgent_first() -> None:
    queue: AsyncQueue[Item] = AsyncQueue(10)
    for lane in Priority:
        fill(queue, *items(lane, 1))
    assert [(await queue.get(ALL)).lane for _ in Priority] == sorted(Priority, reverse=True)


async def test_a_lane_that_was_idle_does_not_catch_up() -> None:
    queue: AsyncQueue[Item] = AsyncQueue(1000)
    fill(queue, *items(Priority.critical, 1000))
    for _ in range(640):
        await queue.get(ALL)
    fill(queue, *items(Priority.low, 100))
    served = [(await queue.get(ALL)).lane for _ in range(130)]
    assert served.count(Priority.low) <= 3


async def test_urgent_only_takes_nothing_else() -> None:
    queue: AsyncQueue[Item] = AsyncQueue(10)
    fill(queue, *items(Priority.low, 5), *items(Priority.medium, 5))
    getter = asyncio.create_task(queue.get(URGENT))
    await settle()
    assert not getter.done()
    fill(queue, *items(Priority.high, 1))
    assert (await getter).lane is Priority.high


async def test_an_id_is_never_queued_twice_until_it_is_done() -> None:
    queue: AsyncQueue[Item] = AsyncQueue(10)
    (item,) = items(Priority.low, 1)
    assert queue.put(item, item.lane)
    assert queue.put(item, item.lane)
    # Nor in another lane.
    assert queue.put(item, Priority.high)
    assert sum(queue.depth().values()) == 1
    assert await queue.get(ALL) == item
    assert queue.put(item, item.lane)
    assert sum(queue.depth().values()) == 0
    queue.done(item)
    assert queue.put(item, item.lane)
    assert sum(queue.depth().values()) == 1


async def test_one_full_lane_leaves_the_others_room() -> None:
    queue: AsyncQueue[Item] = AsyncQueue(3)
    fill(queue, *items(Priority.low, 3))
    assert not queue.put(Item.make(99, Priority.low), Priority.low)
    assert queue.put(Item.make(99, Priority.low), Priority.high)


async def test_asks_for_more_once_a_lane_that_overflowed_has_drained_to_a_quarter() -> None:
    queue: AsyncQueue[Item] = AsyncQueue(8)
    asked: list[Priority] = []
    queue.when_low(asked.append)
    fill(queue, *items(Priority.low, 8), *items(Priority.high, 8))
    assert not queue.put(Item.make(99, Priority.low), Priority.low)
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


async def test_asks_for_more_when_told_that_there_is_more() -> None:
    queue: AsyncQueue[Item] = AsyncQueue(8)
    asked: list[Priority] = []
    queue.when_low(asked.append)
    fill(queue, *items(Priority.low, 3))
    queue.overflowed(Priority.low)
    await queue.get(ALL)
    assert asked == [Priority.low]


async def test_closing_gives_out_nothing_more() -> None:
    queue: AsyncQueue[Item] = AsyncQueue(8)
    waiting = [asyncio.create_task(queue.get(lanes)) for lanes in (ALL, URGENT, ALL)]
    await settle()
    queue.close()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [QueueClosed] * 3
    assert not queue.put(Item.make(1, Priority.low), Priority.low)
    with pytest.raises(QueueClosed):
        await queue.get(ALL)


async def test_closing_keeps_what_waits_back() -> None:
    queue: AsyncQueue[Item] = AsyncQueue(8)
    fill(queue, *items(Priority.critical, 2))
    queue.close()
    with pytest.raises(QueueClosed):
        await queue.get(ALL)


async def test_each_item_wakes_somebody_who_takes_it() -> None:
    """The one who is woken for `low` takes `high`; then the third must come for `low`."""
    queue: AsyncQueue[Item] = AsyncQueue(8)
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
async def test_nothing_is_lost_and_nobody_waits_in_vain(
    rounds: list[tuple[list[frozenset[Priority]], list[Priority], list[int]]],
) -> None:
    """Some begin to wait, some items come, and gets are cancelled while an item is on its way."""
    queue: AsyncQueue[Item] = AsyncQueue(100)
    getters: list[tuple[frozenset[Priority], asyncio.Task[Item]]] = []
    number = 0
    for waiting, coming, cancelled in rounds:
        getters += [(lanes, asyncio.create_task(queue.get(lanes))) for lanes in waiting]
        await settle()
        for lane in coming:
            number += 1
            fill(queue, Item.make(number, lane))
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
