"""Changes run one at a time, and none is left half made."""

import asyncio

import pytest

from flashnotify.one_at_a_time import OneAtATime


async def test_changes_run_in_order_and_never_together() -> None:
    changes, log = OneAtATime(), list[str]()

    async def change(name: str) -> str:
        log.append(f"{name} begins")
        await asyncio.sleep(0)
        log.append(f"{name} ends")
        return name

    assert await asyncio.gather(*(changes.run(change(name)) for name in "abc")) == ["a", "b", "c"]
    assert log == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]


async def test_a_change_is_made_to_its_end_without_its_caller() -> None:
    changes, go, ended = OneAtATime(), asyncio.Event(), asyncio.Event()

    async def change() -> None:
        await go.wait()
        ended.set()

    caller = asyncio.create_task(changes.run(change()))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go.set()
    await asyncio.wait_for(ended.wait(), 1)


async def test_an_error_is_the_callers_and_stops_no_other_change() -> None:
    changes = OneAtATime()

    async def fail() -> None:
        raise ValueError("no")

    async def succeed() -> int:
        return 1

    results = await asyncio.gather(
        changes.run(fail()), changes.run(succeed()), return_exceptions=True
    )
    assert isinstance(results[0], ValueError)
    assert results[1] == 1
