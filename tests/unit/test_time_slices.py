"""Long work gets one slice of the event loop in each turn, whoever does it."""

import asyncio
import itertools

import pytest

from flashnotify import time_slices
from flashnotify.time_slices import TimeSlices
from tests.support.loop_turns import Turns, counted_turns


@pytest.fixture(autouse=True)
def each_look_takes_a_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(time_slices, "perf_counter", lambda: next(ticks) / 1000)


async def work(name: str, steps: int, slices: TimeSlices, turns: Turns) -> list[tuple[int, str]]:
    """Take steps; return the turn of each."""
    taken = []
    for _ in range(steps):
        await slices.step()
        taken.append((turns.number, name))
    return taken


async def test_all_work_shares_the_slice_of_a_turn() -> None:
    slices = TimeSlices()
    async with counted_turns() as turns:
        await asyncio.sleep(0)
        works = [work(name, 20, slices, turns) for name in "abcde"]
        taken = sorted(itertools.chain(*await asyncio.gather(*works)))
    longest = max(len([*some]) for _, some in itertools.groupby(taken, key=lambda each: each[0]))
    assert longest <= 4


async def test_who_waits_longest_goes_next() -> None:
    slices = TimeSlices()
    async with counted_turns() as turns:
        works = [work(name, 20, slices, turns) for name in "abcde"]
        taken = sorted(itertools.chain(*await asyncio.gather(*works)))
    # None of them is ever far ahead.
    done = dict.fromkeys("abcde", 0)
    for _, name in taken:
        done[name] += 1
        assert max(done.values()) - min(done.values()) <= 8


async def test_who_stops_waiting_holds_up_nobody() -> None:
    slices = TimeSlices()
    async with counted_turns() as turns:
        first = asyncio.create_task(work("a", 20, slices, turns))
        second = asyncio.create_task(work("b", 20, slices, turns))
        await asyncio.sleep(0)
        first.cancel()
        assert len(await second) == 20


async def test_work_in_another_turn_has_a_slice_of_its_own() -> None:
    slices = TimeSlices()
    await slices.step()
    await asyncio.sleep(0)
    async with counted_turns() as turns:
        await slices.step()
    assert turns.number == 0
