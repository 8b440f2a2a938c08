"""Blocking calls in threads: results, deadlines, lost threads, refusals, the end of the process."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flashnotify
from flashnotify.domain import Priority
from flashnotify.errors import Unavailable
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from tests.support.eventually import eventually

# Deadlines pass when a test says so (`Deadlines`): this one first, the other never.
SOON = 0.02
NEVER = 60.0
_PREFIX = "blocking-"


class Gate:
    """Something that calls wait for: it tells when they have come, and lets them go on."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.came = 0

    def __call__(self) -> str:
        self.came += 1
        assert self.opened.wait(NEVER)
        return threading.current_thread().name


class Deadlines:
    """The loop's timers, which run out by hand: a slow machine changes nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._loop = asyncio.get_running_loop()
        self._really_call_later = self._loop.call_later
        self._timers: list[tuple[asyncio.TimerHandle, Callable[..., object], tuple[Any, ...]]] = []
        monkeypatch.setattr(self._loop, "call_later", self._call_later)

    def _call_later(
        self, delay: float, callback: Callable[..., object], *args: Any
    ) -> asyncio.TimerHandle:
        if delay not in (SOON, NEVER):
            # A pause of the test's own.
            return self._really_call_later(delay, callback, *args)
        handle = self._loop.call_at(self._loop.time() + 3600, callback, *args)
        if delay == SOON:
            self._timers.append((handle, callback, args))
        return handle

    def run_out(self) -> None:
        """Let every deadline that is `SOON` pass."""
        timers, self._timers = self._timers, []
        for handle, callback, args in timers:
            if not handle.cancelled():
                handle.cancel()
                callback(*args)


@pytest.fixture
async def deadlines(monkeypatch: pytest.MonkeyPatch) -> Deadlines:
    """Time, for deadlines."""
    return Deadlines(monkeypatch)


Threads = Callable[[], list[threading.Thread]]


@pytest.fixture
def ours() -> Threads:
    """Finds the threads that run now and did not before this test."""
    before = threading.enumerate()
    return lambda: [thread for thread in threading.enumerate() if thread not in before]


@pytest.fixture
async def gate(ours: Threads) -> AsyncIterator[Gate]:
    """A gate that opens at the end, so that no thread outlives the test."""
    made = Gate()
    yield made
    made.opened.set()
    await eventually(lambda: not ours())


@pytest.fixture
async def queue(gate: Gate) -> AsyncIterator[ThreadPoolQueue]:
    """Two threads, of which one takes urgent calls only, and two to replace them."""
    made = ThreadPoolQueue(2, spare=2, bound=3)
    yield made
    made.close()


def here() -> str:
    """The name of the thread that this is called in."""
    return threading.current_thread().name


async def start(
    queue: ThreadPoolQueue, gate: Gate, *, within: float = NEVER, lane: Priority = Priority.high
) -> "asyncio.Task[str]":
    """A call that has begun, and waits at the gate."""
    came = gate.came
    task = asyncio.create_task(queue.run(gate, within=within, lane=lane))
    await eventually(lambda: gate.came == came + 1)
    return task


async def lose(queue: ThreadPoolQueue, gate: Gate, deadlines: Deadlines, number: int) -> None:
    """Lose some threads at the gate."""
    for _ in range(number):
        hung = await start(queue, gate, within=SOON)
        deadlines.run_out()
        with pytest.raises(TimeoutError):
            await hung


async def test_returns_the_result_of_the_call(queue: ThreadPoolQueue) -> None:
    name = await queue.run(here, within=NEVER)
    assert name.startswith(_PREFIX)
    assert threading.current_thread().name != name


async def test_threads_start_with_work_and_are_used_again(
    ours: Threads, queue: ThreadPoolQueue
) -> None:
    assert not ours()
    names = {await queue.run(here, within=NEVER) for _ in range(200)}
    assert len(ours()) == len(names) == 1
    assert all(thread.daemon for thread in ours())


class Odd(BaseException):
    """No Exception."""


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (ValueError("so"), ValueError),
        (StopIteration(), RuntimeError),
        (Odd(), RuntimeError),
        (SystemExit(3), RuntimeError),
        (asyncio.CancelledError(), RuntimeError),
    ],
)
async def test_an_error_is_the_callers_and_the_thread_goes_on(
    ours: Threads, queue: ThreadPoolQueue, raised: BaseException, seen: type[Exception]
) -> None:
    def fail() -> None:
        raise raised

    with pytest.raises(seen):
        await queue.run(fail, within=NEVER)
    assert await queue.run(here, within=NEVER) in {thread.name for thread in ours()}
    assert (queue.busy, queue.lost) == (0, 0)


async def test_a_call_past_its_deadline_is_over_and_its_thread_is_replaced(
    queue: ThreadPoolQueue, gate: Gate, deadlines: Deadlines
) -> None:
    hung = await start(queue, gate, within=SOON, lane=Priority.low)
    assert queue.busy == 1
    deadlines.run_out()
    with pytest.raises(TimeoutError, match=r"within 0\.02 s"):
        await hung
    assert (queue.busy, queue.lost, queue.state) == (0, 1, "1 lost")
    # Both places are there again, the one for bulk too.
    await start(queue, gate, lane=Priority.low)
    assert await queue.run(here, within=NEVER, lane=Priority.critical)


async def test_waiting_calls_run_in_place_of_lost_ones(
    queue: ThreadPoolQueue, gate: Gate, deadlines: Deadlines
) -> None:
    await start(queue, gate)
    hung = await start(queue, gate, within=SOON)
    waiting = asyncio.create_task(queue.run(here, within=NEVER))
    await eventually(lambda: queue.depth()[Priority.medium] == 1)
    deadlines.run_out()
    assert await waiting
    with pytest.raises(TimeoutError):
        await hung


async def test_calls_that_come_together_run_together(gate: Gate) -> None:
    """One idle thread is no reason not to start another. Several times: threads race."""
    for number in range(10):
        queue = ThreadPoolQueue(2)
        await queue.run(here, within=NEVER)
        for _ in range(10):
            await asyncio.sleep(0)
        calls = [
            asyncio.create_task(queue.run(gate, within=NEVER, lane=Priority.high)) for _ in "ab"
        ]
        await eventually(lambda came=number * 2: gate.came == came + 2)  # type: ignore[misc]
        gate.opened.set()
        await asyncio.gather(*calls)
        gate.opened.clear()
        queue.close()


async def test_an_idle_thread_takes_bulk_in_place_of_a_lost_one(
    queue: ThreadPoolQueue, gate: Gate, deadlines: Deadlines
) -> None:
    hung = await start(queue, gate, within=SOON, lane=Priority.low)
    await queue.run(here, within=NEVER, lane=Priority.high)
    waiting = asyncio.create_task(queue.run(here, within=NEVER, lane=Priority.low))
    await eventually(lambda: queue.depth()[Priority.low] == 1)
    # The idle thread was woken for it, may not take it, and waits again.
    for _ in range(100):
        await asyncio.sleep(0)
    deadlines.run_out()
    assert await waiting
    with pytest.raises(TimeoutError):
        await hung


async def test_a_lost_thread_that_comes_back_when_replaced_ends(
    ours: Threads, queue: ThreadPoolQueue, gate: Gate, deadlines: Deadlines
) -> None:
    await lose(queue, gate, deadlines, 1)
    lost = ours()
    held = Gate()
    others = [await start(queue, held), await start(queue, held)]
    gate.opened.set()
    await eventually(lambda: queue.lost == 0)
    await eventually(lambda: not lost[0].is_alive())
    assert queue.state == "ok"
    assert len(ours()) == 2
    held.opened.set()
    assert set(await asyncio.gather(*others)) == {thread.name for thread in ours()}


async def test_with_all_lost_calls_are_refused_at_once_until_one_comes_back(
    ours: Threads, queue: ThreadPoolQueue, gate: Gate, deadlines: Deadlines
) -> None:
    await lose(queue, gate, deadlines, 3)
    assert queue.state == "3 lost"
    # The last one: another is not started for what waits.
    last = await start(queue, gate)
    waiting = asyncio.create_task(queue.run(here, within=SOON, lane=Priority.high))
    await eventually(lambda: queue.depth()[Priority.high] == 1)
    deadlines.run_out()
    with pytest.raises(Unavailable, match="No thread became free"):
        await waiting
    assert len(ours()) == 4
    last.cancel()
    with pytest.raises(asyncio.CancelledError):
        await last
    gate.opened.set()
    await eventually(lambda: (queue.lost, queue.busy) == (0, 0))
    gate.opened.clear()
    await lose(queue, gate, deadlines, 3)
    await lose(queue, gate, deadlines, 1)
    assert queue.state == "all lost"
    with pytest.raises(Unavailable, match="All 4 threads are held") as caught:
        await queue.run(here, within=NEVER)
    assert caught.value.retry_after > 0
    assert len(ours()) == 4
    gate.opened.set()
    await eventually(lambda: queue.lost == 0)
    # Two of the four were needed, and take calls again.
    await eventually(lambda: len(ours()) == 2)
    assert await queue.run(here, within=NEVER) in {thread.name for thread in ours()}


async def test_a_call_that_never_began_is_not_the_calls_fault(
    queue: ThreadPoolQueue, gate: Gate, deadlines: Deadlines
) -> None:
    await start(queue, gate)
    await start(queue, gate)
    began: list[int] = []
    late = asyncio.create_task(queue.run(lambda: began.append(1), within=SOON, lane=Priority.high))
    await eventually(lambda: queue.depth()[Priority.high] == 1)
    deadlines.run_out()
    with pytest.raises(Unavailable, match=r"No thread became free within 0\.02 s"):
        await late
    assert (queue.lost, sum(queue.depth().values())) == (0, 0)
    gate.opened.set()
    await queue.run(here, within=NEVER)
    assert not began


async def test_a_full_lane_refuses_at_once(queue: ThreadPoolQueue, gate: Gate) -> None:
    await start(queue, gate)
    await start(queue, gate)
    waiting = [asyncio.create_task(queue.run(here, within=NEVER)) for _ in range(3)]
    await eventually(lambda: queue.depth()[Priority.medium] == 3)
    with pytest.raises(Unavailable, match="Too many"):
        await queue.run(here, within=NEVER)
    other = asyncio.create_task(queue.run(here, within=NEVER, lane=Priority.low))
    gate.opened.set()
    assert all(await asyncio.gather(*waiting, other))


async def test_bulk_leaves_a_thread_for_urgent_calls(queue: ThreadPoolQueue, gate: Gate) -> None:
    await start(queue, gate, lane=Priority.low)
    bulk = asyncio.create_task(queue.run(here, within=NEVER, lane=Priority.medium))
    for _ in range(5):
        assert await queue.run(here, within=NEVER, lane=Priority.critical)
    assert not bulk.done()
    gate.opened.set()
    assert await bulk


async def test_a_single_thread_takes_all(gate: Gate) -> None:
    queue = ThreadPoolQueue(1)
    assert await queue.run(here, within=NEVER, lane=Priority.low)
    queue.close()


async def test_a_cancelled_call_that_waits_is_never_made(
    queue: ThreadPoolQueue, gate: Gate
) -> None:
    await start(queue, gate)
    await start(queue, gate)
    made: list[int] = []
    waiting = asyncio.create_task(queue.run(lambda: made.append(1), within=NEVER))
    await eventually(lambda: queue.depth()[Priority.medium] == 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert queue.depth()[Priority.medium] == 0
    gate.opened.set()
    await queue.run(here, within=NEVER)
    assert not made


async def test_a_cancelled_call_that_has_begun_still_has_its_deadline(
    queue: ThreadPoolQueue, gate: Gate, deadlines: Deadlines
) -> None:
    begun = await start(queue, gate, within=SOON)
    begun.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begun
    assert queue.lost == 0
    deadlines.run_out()
    assert queue.lost == 1
    gate.opened.set()
    await eventually(lambda: queue.lost == 0)


async def test_close_refuses_waiting_calls_and_returns_finished_ones(
    queue: ThreadPoolQueue, gate: Gate
) -> None:
    in_hand = [await start(queue, gate), await start(queue, gate)]
    waiting = asyncio.create_task(queue.run(here, within=NEVER))
    await eventually(lambda: queue.depth()[Priority.medium] == 1)
    queue.close()
    with pytest.raises(Unavailable, match="stopping"):
        await waiting
    with pytest.raises(Unavailable, match="stopping"):
        await queue.run(here, within=NEVER)
    gate.opened.set()
    assert all(name.startswith(_PREFIX) for name in await asyncio.gather(*in_hand))


async def test_close_ends_idle_threads(ours: Threads, queue: ThreadPoolQueue) -> None:
    await queue.run(here, within=NEVER)
    queue.close()
    await eventually(lambda: not ours())


def test_a_closed_loop_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    crashes: list[object] = []
    monkeypatch.setattr(threading, "excepthook", crashes.append)
    queue, gate = ThreadPoolQueue(1), Gate()

    async def leave() -> None:
        running = await start(queue, gate)
        running.cancel()

    asyncio.run(leave())
    gate.opened.set()

    async def use_again() -> str:
        return await queue.run(here, within=NEVER)

    assert asyncio.run(use_again()).startswith(_PREFIX)
    queue.close()
    assert not crashes


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from(Priority), st.booleans()), max_size=60),
    st.integers(1, 6),
)
async def test_every_call_is_made_once_and_answered(
    calls: list[tuple[Priority, bool]], size: int
) -> None:
    queue = ThreadPoolQueue(size)
    made: list[int] = []

    def call(number: int) -> int:
        made.append(number)
        return number

    tasks = [
        asyncio.create_task(queue.run(lambda n=n: call(n), within=NEVER, lane=lane))  # type: ignore[misc]  # mypy infers no lambda with a default
        for n, (lane, _) in enumerate(calls)
    ]
    await asyncio.sleep(0)
    for task, (_, cancelled) in zip(tasks, calls, strict=True):
        if cancelled:
            task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    queue.close()
    assert len(made) == len(set(made))
    for number, ((_, cancelled), answer) in enumerate(zip(calls, answers, strict=True)):
        assert isinstance(answer, asyncio.CancelledError) if cancelled else answer == number
        assert cancelled or number in made
    assert queue.lost == 0


_STUCK = """
import asyncio, threading
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue

async def main():
    queue = ThreadPoolQueue(2)
    try:
        await queue.run(threading.Event().wait, within=1)
    except TimeoutError:
        print("lost", queue.lost)
    begun = threading.Event()
    def stuck():
        begun.set()
        threading.Event().wait()
    in_hand = asyncio.create_task(queue.run(stuck, within=60))
    while not begun.is_set():
        await asyncio.sleep(0)
    queue.close()

asyncio.run(main())
print("out")
"""


def test_the_end_of_the_process_waits_for_no_thread() -> None:
    source = Path(flashnotify.__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, "-c", _STUCK],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stdout.splitlines()[-2:]) == (0, ["lost 1", "out"]), (
        ended.stderr
    )
