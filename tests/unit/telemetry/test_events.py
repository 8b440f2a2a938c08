"""Streams of events: in commit order, resumed, told of gaps, kept alive, bounded."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any
from uuid import UUID

import pytest

from flashnotify.archive.records import Event
from flashnotify.errors import Unavailable
from flashnotify.telemetry import events
from flashnotify.telemetry.events import HEARTBEAT, EventPage, Events, Missed
from tests.support.manual_clock import ManualClock
from tests.support.memory_archive import MemoryArchive

ONE = UUID(int=1)
Stream = AsyncIterator[Event | Missed | int]


class Streams:
    """Events of an archive, and a way to make some."""

    def __init__(self, clock: ManualClock) -> None:
        self.archive = MemoryArchive()
        self.clock = clock
        self.events = Events(self.archive.events, clock)
        self.allowed = True

    def commit(self, number: int = 1) -> list[Event]:
        """Commit events."""
        state = self.archive.state
        with state.write_now("test"):
            made = [
                Event(state.last_event + n, "notification", ONE, None, None, "queued", 0)
                for n in range(1, number + 1)
            ]
            state.events += made
            state.last_event += number
        return made

    def follow(self, after: int | None = None, follower: str = "key") -> Stream:
        return flat(self.events.follow(follower, after, lambda: self.allowed))


async def flat(pages: AsyncIterator[EventPage | Missed | int]) -> Stream:
    """Yield the events of a stream one by one."""
    async with aclosing(pages) as following:  # type: ignore[type-var]  # it is a generator
        async for found in following:
            if isinstance(found, EventPage):
                for event in found.events:
                    yield event
            else:
                yield found


@pytest.fixture
def streams(clock: ManualClock) -> Streams:
    return Streams(clock)


async def take(stream: Stream, number: int) -> list[Event | Missed | int]:
    """Return the next things of a stream."""
    return [await anext(stream) for _ in range(number)]


async def waits(stream: Stream) -> "asyncio.Task[Event | Missed | int]":
    """Return a task that waits for the next thing of a stream."""
    task = asyncio.ensure_future(anext(stream))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()
    return task


async def close(
    stream: AsyncIterator[Any], task: "asyncio.Task[Event | Missed | int] | None" = None
) -> None:
    """Leave a stream."""
    if task is not None:
        task.cancel()
        await asyncio.wait({task})
    await stream.aclose()  # type: ignore[attr-defined]


async def test_a_stream_begins_with_a_heartbeat_and_goes_on_from_now(streams: Streams) -> None:
    streams.commit(3)
    stream = streams.follow()
    assert await take(stream, 1) == [3]
    made = streams.commit(2)
    assert await take(stream, 2) == made
    await close(stream)


async def test_a_stream_is_woken_by_each_commit(streams: Streams) -> None:
    stream = streams.follow()
    await take(stream, 1)
    for _ in range(3):
        waiting = await waits(stream)
        (made,) = streams.commit()
        assert await waiting == made
    await close(stream)


async def test_a_new_stream_begins_after_what_others_have_seen(streams: Streams) -> None:
    """Those read the past by themselves: the reader for all may be behind them."""
    first = streams.follow()
    await take(first, 1)
    blocked = asyncio.Event()
    after = streams.archive.events.after

    async def blocked_after(id: int, limit: int) -> Sequence[Event]:
        await blocked.wait()
        return await after(id, limit)

    streams.archive.events.after = blocked_after  # type: ignore[method-assign]
    streams.commit(3)
    second = streams.follow()
    assert await take(second, 1) == [3]
    waiting = await waits(second)
    blocked.set()
    await take(first, 3)
    (new,) = streams.commit()
    assert await waiting == new
    await close(first)
    await close(second)


async def test_an_event_committed_during_a_read_is_not_lost(streams: Streams) -> None:
    """The read had not seen it, and nothing else comes."""
    stream = streams.follow()
    await take(stream, 1)
    after = streams.archive.events.after

    async def commit_meanwhile(id: int, limit: int) -> list[Event]:
        found = list(await after(id, limit))
        if not found and len(streams.archive.state.events) == 1:
            streams.commit()
        return found

    streams.archive.events.after = commit_meanwhile  # type: ignore[method-assign]
    streams.commit()
    assert await take(stream, 2) == streams.archive.state.events
    await close(stream)


async def several_that_wait(
    streams: Streams, number: int
) -> tuple[list[Stream], list["asyncio.Task[Event | Missed | int]"]]:
    """Return streams, and what each waits for after its first event."""
    some = [streams.follow(follower=f"key-{number}") for number in range(number)]
    for stream in some:
        await take(stream, 1)
    return some, [await waits(stream) for stream in some]


async def test_followers_at_the_same_event_share_a_read(streams: Streams) -> None:
    """Connections are few: with a read for each, most of 200 followers time out."""
    some, waiting = await several_that_wait(streams, 30)
    after, reads = streams.archive.events.after, []

    async def counted(id: int, limit: int) -> Sequence[Event]:
        reads.append(id)
        return await after(id, limit)

    streams.archive.events.after = counted  # type: ignore[method-assign]
    (made,) = streams.commit()
    assert set(await asyncio.gather(*waiting)) == {made}
    assert reads == [0]
    # One that leaves takes no event from the others.
    tasks = [asyncio.ensure_future(anext(stream)) for stream in some[:2]]
    await asyncio.sleep(0)
    await close(some[0], tasks[0])
    (made,) = streams.commit()
    await streams.clock.advance(1)
    assert await tasks[1] == made
    for stream in some[1:]:
        await close(stream)


async def test_a_stream_resumes_after_the_last_event_seen(streams: Streams) -> None:
    made = streams.commit(5)
    stream = streams.follow(after=2)
    assert await take(stream, 4) == [2, *made[2:]]
    await close(stream)


async def test_a_long_absence_is_made_good_in_pages(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_PAGE", 4)
    made = streams.commit(10)
    stream = streams.follow(after=0)
    assert await take(stream, 11) == [0, *made]
    await close(stream)


async def test_a_number_from_before_a_restore_begins_at_the_end(streams: Streams) -> None:
    streams.commit(3)
    stream = streams.follow(after=1000)
    assert await take(stream, 1) == [3]
    made = streams.commit()
    assert await take(stream, 1) == made
    await close(stream)


async def test_events_that_are_no_longer_kept_are_told(streams: Streams) -> None:
    made = streams.commit(5)
    del streams.archive.state.events[:3]
    stream = streams.follow(after=1)
    assert await take(stream, 4) == [1, Missed(2, 3), *made[3:]]
    await close(stream)


async def test_a_quiet_stream_has_heartbeats(streams: Streams, clock: ManualClock) -> None:
    stream = streams.follow()
    await take(stream, 1)
    waiting = await waits(stream)
    (_, last) = streams.commit(2)
    assert [await waiting, *await take(stream, 1)][1] == last
    # It has been woken, which must not count for ever.
    for _ in range(2):
        waiting = await waits(stream)
        await clock.advance(HEARTBEAT - 0.001)
        await asyncio.sleep(0)
        assert not waiting.done()
        await clock.advance(0.001)
        assert await waiting == 2
    await close(stream)


async def test_a_stream_ends_once_its_key_is_not_allowed_any_more(
    streams: Streams, clock: ManualClock
) -> None:
    stream = streams.follow()
    await take(stream, 1)
    waiting = await waits(stream)
    streams.allowed = False
    # At the next heartbeat at the latest, which is still sent.
    await clock.advance(HEARTBEAT)
    assert await waiting == 0
    streams.commit()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_closing_ends_every_stream_and_refuses_new_ones(streams: Streams) -> None:
    some, tasks = await several_that_wait(streams, 3)
    streams.events.close()
    # Each may say once more where it is.
    for task, stream in zip(tasks, some, strict=True):
        ended = (await asyncio.gather(task, return_exceptions=True))[0]
        if not isinstance(ended, StopAsyncIteration):
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
    with pytest.raises(Unavailable):
        streams.events.require_room("key")


async def test_one_follower_has_at_most_its_share(streams: Streams) -> None:
    some = []
    for _ in range(20):
        streams.events.require_room("key")
        some.append(streams.follow())
        await take(some[-1], 1)
    with pytest.raises(Unavailable) as caught:
        streams.events.require_room("key")
    assert caught.value.retry_after == 30
    streams.events.require_room("another")
    # One that leaves makes room.
    await close(some[0])
    streams.events.require_room("key")
    for stream in some[1:]:
        await close(stream)


async def test_there_are_at_most_so_many_streams_in_all(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_MAX_FOLLOWERS", 2)
    some = [streams.follow(follower=f"key-{number}") for number in range(2)]
    for stream in some:
        await take(stream, 1)
    with pytest.raises(Unavailable):
        streams.events.require_room("another")
    for stream in some:
        await close(stream)


async def test_a_follower_that_is_cancelled_leaves_nothing_behind(streams: Streams) -> None:
    stream = streams.follow()
    await take(stream, 1)
    await close(stream, await waits(stream))
    for _ in range(100):
        streams.events.require_room("key")
    streams.commit()


async def test_a_failed_read_ends_no_stream(streams: Streams, clock: ManualClock) -> None:
    some, waiting = await several_that_wait(streams, 2)
    streams.archive.refuse_read(OSError("Input/output error"))
    (made,) = streams.commit()
    for _ in range(9):
        await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    await clock.advance(1)
    assert await asyncio.gather(*waiting) == [made, made]
    for stream in some:
        await close(stream)


async def test_a_page_is_encoded_once_for_all(streams: Streams) -> None:
    following = [streams.events.follow("key", None, lambda: True) for _ in range(3)]
    for stream in following:
        await anext(stream)
    streams.commit(2)
    calls: list[int] = []

    def encode(found: Sequence[Event]) -> bytes:
        calls.append(len(found))
        return b"encoded"

    for stream in following:
        page = await anext(stream)
        assert isinstance(page, EventPage)
        assert page.encoded(encode) == b"encoded"
    assert calls == [2]
    for stream in following:
        await close(stream)


async def test_a_slow_follower_is_told_what_its_buffer_could_not_hold(
    streams: Streams, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_BUFFER", 2)
    slow, quick = streams.follow(), streams.follow()
    await take(slow, 1)
    await take(quick, 1)
    made = []
    for _ in range(5):
        made += streams.commit()
        assert await take(quick, 1) == made[-1:]
        await clock.advance(1)
    assert await take(slow, 3) == [Missed(1, 3), *made[3:]]
    for stream in (slow, quick):
        await close(stream)


async def test_many_followers_get_fewer_pages(streams: Streams, clock: ManualClock) -> None:
    """So that they do not multiply the cost of each commit."""
    some, waiting = await several_that_wait(streams, 100)
    (first,) = streams.commit()
    assert set(await asyncio.gather(*waiting)) == {first}
    waiting = [asyncio.ensure_future(anext(stream)) for stream in some]
    made = [event for _ in range(20) for event in streams.commit()]
    for _ in range(20):
        await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    await clock.advance(0.025)
    assert set(await asyncio.gather(*waiting)) == {made[0]}
    assert await take(some[0], 19) == made[1:]
    for stream in some:
        await close(stream)


async def test_nothing_is_read_while_nobody_follows(streams: Streams) -> None:
    stream = streams.follow()
    await take(stream, 1)
    await close(stream)
    streams.archive.refuse_read(AssertionError("read for nobody"))
    for _ in range(3):
        streams.commit()
        await asyncio.sleep(0)
    streams.archive.state.read_refusals.clear()
    stream = streams.follow()
    assert await take(stream, 1) == [3]
    await close(stream)
