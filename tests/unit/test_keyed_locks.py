"""One lock for each key."""

import asyncio

from flashnotify.keyed_locks import KeyedLocks


async def test_one_at_a_time_for_a_key() -> None:
    locks: KeyedLocks[str] = KeyedLocks()
    inside: list[str] = []
    entered, leave = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with locks["a"]:
            entered.set()
            await leave.wait()
            inside.append("first")

    async def second() -> None:
        async with locks["a"]:
            inside.append("second")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(first())
        await entered.wait()
        tasks.create_task(second())
        async with locks["b"]:
            inside.append("other key")
        leave.set()
    assert inside == ["other key", "first", "second"]


async def test_a_key_is_forgotten_when_its_lock_is_not_in_use() -> None:
    locks: KeyedLocks[int] = KeyedLocks()
    for key in range(100):
        async with locks[key]:
            assert len(locks) == 1
    assert len(locks) == 0
