"""Each job goes to the queue of its channel, in its turn."""

from uuid import UUID

import pytest

from flashnotify.domain import Job, Lane, Priority
from flashnotify.queue.base import QueueClosed
from flashnotify.queue.dispatch import Dispatch

ALL = frozenset(Priority)
NOTIFICATION = UUID(int=1)


def job(number: int, channel: str | None = "email", ordinal: int = 0, turn: int = 0) -> Job:
    """Return a low job."""
    return Job(UUID(int=number), NOTIFICATION, Priority.low, channel, ordinal, turn)


@pytest.fixture
def dispatch() -> Dispatch:
    return Dispatch(("email", "sms"), bound=8)


async def test_each_channel_has_its_queue_and_the_fan_outs_theirs(dispatch: Dispatch) -> None:
    jobs = [job(1, "email"), job(2, "sms"), job(3, None)]
    assert all(dispatch.put(one) for one in jobs)
    assert list(dispatch.queues) == [None, "email", "sms"]
    for one in jobs:
        assert await dispatch.queue(one.channel).get(ALL) == one
    assert not any(sum(queue.depth().values()) for queue in dispatch.queues.values())


async def test_a_full_channel_leaves_the_others_room(dispatch: Dispatch) -> None:
    for number in range(8):
        assert dispatch.put(job(number, "email", turn=number))
    assert not dispatch.put(job(9, "email", turn=9))
    assert dispatch.put(job(9, "sms", turn=9))


async def test_a_channel_that_is_not_declared_is_left_to_the_fan_outs(dispatch: Dispatch) -> None:
    fax = job(1, "fax")
    assert dispatch.put(fax)
    assert await dispatch.queue(None).get(ALL) == fax
    assert dispatch.queue("fax") is dispatch.queue(None)


async def test_a_job_joins_its_lane_where_the_lane_is(dispatch: Dispatch) -> None:
    dispatch.put(job(1, turn=7))
    assert dispatch.in_turn(job(2, ordinal=3)).turn == 3
    await dispatch.queue("email").get(ALL)
    assert dispatch.in_turn(job(2, ordinal=3)).turn == 10
    # Another channel and another priority have turns of their own.
    assert dispatch.in_turn(job(2, "sms", ordinal=3)).turn == 3
    high = Job(UUID(int=3), NOTIFICATION, Priority.high, "email", 3)
    assert dispatch.in_turn(high).turn == 3


async def test_batches_of_a_notification_follow_each_other(dispatch: Dispatch) -> None:
    first = dispatch.in_turn(job(1, ordinal=4))
    dispatch.put(first)
    await dispatch.queue("email").get(ALL)
    # The lane has come as far as the first: that is no reason to leave a gap.
    second = dispatch.in_turn(job(2, ordinal=5), first)
    assert (first.turn, second.turn) == (4, 5)
    dispatch.put(job(3, turn=20))
    await dispatch.queue("email").get(ALL)
    # Nor may it go back to a turn that has passed.
    assert dispatch.in_turn(job(4, ordinal=6), second).turn == 20
    # One that waits has no turn to follow.
    waiting = Job(UUID(int=5), NOTIFICATION, Priority.low, "email", 6)
    assert dispatch.in_turn(job(6, ordinal=7), waiting).turn == 27


async def test_lanes_are_listed_the_most_urgent_first(dispatch: Dispatch) -> None:
    lanes = dispatch.lanes()
    assert lanes[:3] == [Lane(channel, Priority.critical) for channel in (None, "email", "sms")]
    assert sorted(lanes, key=lambda lane: -lane.priority) == lanes
    assert len(set(lanes)) == 12


async def test_a_lane_that_has_drained_asks_for_more(dispatch: Dispatch) -> None:
    wake_ups: list[tuple[Lane, int]] = []
    dispatch.on_wake_up(lambda lane, at: wake_ups.append((lane, at)))
    for number in range(9):
        dispatch.put(job(number, "sms", turn=number))
    for _ in range(5):
        await dispatch.queue("sms").get(ALL)
    assert wake_ups == []
    await dispatch.queue("sms").get(ALL)
    assert wake_ups == [(Lane("sms", Priority.low), 0)]
    dispatch.wake_up(Lane("email", Priority.high), 77)
    assert wake_ups[1:] == [(Lane("email", Priority.high), 77)]


def test_a_wake_up_without_a_listener_is_no_error(dispatch: Dispatch) -> None:
    dispatch.wake_up(Lane("email", Priority.high), 77)


async def test_closing_ends_every_queue(dispatch: Dispatch) -> None:
    dispatch.put(job(1))
    dispatch.close()
    for queue in dispatch.queues.values():
        with pytest.raises(QueueClosed):
            await queue.get(ALL)
