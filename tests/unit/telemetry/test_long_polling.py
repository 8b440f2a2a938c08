"""Requests wait for changes: woken by events, bounded, ended at shutdown."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import pytest

from flashnotify.archive.records import Event
from flashnotify.errors import Unavailable
from flashnotify.telemetry.events import Events
from flashnotify.telemetry.long_polling import LongPolling
from tests.support.manual_clock import ManualClock
from tests.support.memory_archive import MemoryArchive

ONE, OTHER = UUID(int=1), UUID(int=2)


class Changing:
    """A value that changes with a commit, and counts how often it is looked at."""

    def __init__(self, clock: ManualClock) -> None:
        self.archive = MemoryArchive()
        self.events = Events(self.archive.events, clock)
        self.long_polling = LongPolling(self.events, clock)
        self.value = 0
        self.looks = 0

    async def look(self) -> int:
        self.looks += 1
        await asyncio.sleep(0)
        return self.value

    def commit(self, id: UUID, value: int = 0) -> None:
        state = self.archive.state
        self.value = value
        with state.write_now("test"):
            state.last_event += 1
            state.events.append(Event(state.last_event, "delivery", id, id, "email", "sent", 0))

    def until(
        self, seconds: float, id: UUID | None = ONE, caller: str = "key"
    ) -> Coroutine[Any, Any, int]:
        return self.long_polling.until(caller, seconds, id, self.look, bool)


@pytest.fixture
def changing(clock: ManualClock) -> Changing:
    return Changing(clock)


async def turns() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


@pytest.mark.parametrize("id", [ONE, None])
async def test_it_answers_when_there_is_enough(changing: Changing, id: UUID | None) -> None:
    waiting = asyncio.create_task(changing.until(5, id))
    await turns()
    assert not waiting.done()
    changing.commit(ONE)
    await turns()
    assert not waiting.done()
    changing.commit(ONE, 7)
    assert await waiting == 7


async def test_it_does_not_look_while_nothing_changes(
    changing: Changing, clock: ManualClock
) -> None:
    waiting = asyncio.create_task(changing.until(5))
    await turns()
    before = changing.looks
    for _ in range(4):
        changing.commit(OTHER)
        await clock.advance(1)
        await turns()
    assert (changing.looks, waiting.done()) == (before, False)
    await clock.advance(1)
    assert await waiting == 0


async def test_what_is_there_is_answered_at_once(changing: Changing) -> None:
    changing.value = 7
    assert await changing.until(5) == 7
    changing.value = 0
    assert await changing.until(0) == 0


async def test_a_change_before_the_events_are_followed_is_seen(changing: Changing) -> None:
    async def look() -> int:
        found = await changing.look()
        if changing.looks == 1:
            changing.commit(ONE, 7)
        return found

    assert await changing.long_polling.until("key", 5, ONE, look, bool) == 7


async def test_the_end_of_the_service_ends_the_wait(changing: Changing) -> None:
    waiting = asyncio.create_task(changing.until(5))
    await turns()
    changing.events.close()
    assert await waiting == 0


async def test_few_may_wait_at_once_and_they_take_no_room_of_streams(changing: Changing) -> None:
    waiting = [asyncio.create_task(changing.until(5)) for _ in range(20)]
    await turns()
    with pytest.raises(Unavailable, match="Too many requests wait"):
        await changing.until(5)
    changing.events.require_room("key")
    other = asyncio.create_task(changing.until(5, caller="another"))
    await turns()
    for task in [*waiting, other]:
        task.cancel()
    await asyncio.wait([*waiting, other])
    changing.value = 7
    assert await changing.until(5) == 7
