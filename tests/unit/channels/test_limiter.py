"""The limit on concurrent use of a transport."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashnotify.channels.limiter import ConnectionLimiter


async def settle() -> None:
    """Run all tasks until they wait."""
    for _ in range(20):
        await asyncio.sleep(0)


class Users:
    """Tasks that hold a connection until told to leave."""

    def __init__(self, connections: ConnectionLimiter) -> None:
        self.connections = connections
        self.tasks: list[asyncio.Task[None]] = []
        self.using: dict[bool, list[asyncio.Event]] = {True: [], False: []}
        self.order: list[bool] = []

    def come(self, *, urgent: bool) -> asyncio.Task[None]:
        task = asyncio.create_task(self._use(urgent))
        self.tasks.append(task)
        return task

    async def _use(self, urgent: bool) -> None:
        async with self.connections.use(urgent=urgent):
            leave = asyncio.Event()
            self.using[urgent].append(leave)
            self.order.append(urgent)
            try:
                await leave.wait()
            finally:
                self.using[urgent].remove(leave)

    def count(self) -> tuple[int, int]:
        """Return the numbers of urgent and other tasks that hold a connection."""
        return len(self.using[True]), len(self.using[False])

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("total", "for_all"), [(1, 1), (2, 1), (3, 2), (4, 3), (8, 6), (16, 12), (100, 75)]
)
async def test_a_quarter_is_reserved_for_urgent_use(total: int, for_all: int) -> None:
    users = Users(ConnectionLimiter(total))
    for _ in range(total + 5):
        users.come(urgent=False)
    await settle()
    assert users.count() == (0, for_all)
    assert users.connections.capacity(urgent=False) == for_all
    for _ in range(total):
        users.come(urgent=True)
    await settle()
    assert users.count() == (total - for_all, for_all)
    await users.end()


async def test_urgent_waiters_go_first() -> None:
    users = Users(ConnectionLimiter(1))
    users.come(urgent=False)
    await settle()
    for urgent in (False, True, False, True):
        users.come(urgent=urgent)
        await settle()
    for _ in range(4):
        (leave,) = users.using[True] + users.using[False]
        leave.set()
        await settle()
    assert users.order == [False, True, True, False, False]
    await users.end()


async def test_a_failure_releases_its_connection() -> None:
    connections = ConnectionLimiter(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with connections.use(urgent=False):
                raise ZeroDivisionError
    async with asyncio.timeout(1), connections.use(urgent=True):
        pass


async def test_cancelling_a_waiter_at_its_turn_releases_the_connection() -> None:
    users = Users(ConnectionLimiter(1))
    users.come(urgent=False)
    await settle()
    second, third = users.come(urgent=False), users.come(urgent=False)
    await settle()
    users.using[False][0].set()
    # Until the first has left and the second has its turn, but has not run yet.
    while users.using[False]:  # noqa: ASYNC110  # one loop iteration at a time
        await asyncio.sleep(0)
    second.cancel()
    await settle()
    assert second.cancelled()
    assert users.count() == (0, 1)
    assert not third.done()
    await users.end()


@settings(max_examples=200)
@given(
    st.integers(1, 9),
    st.lists(
        st.one_of(
            st.tuples(st.just("come"), st.booleans(), st.booleans()),
            st.tuples(st.just("leave"), st.integers(0, 30), st.booleans()),
            st.tuples(st.just("cancel"), st.integers(0, 30), st.booleans()),
        ),
        max_size=60,
    ),
)
async def test_connections_never_exceed_the_limit_or_leak(
    total: int, operations: list[tuple[str, int, bool]]
) -> None:
    connections = ConnectionLimiter(total)
    users = Users(connections)
    for what, which, settled in operations:
        if what == "come":
            users.come(urgent=bool(which))
        elif what == "cancel" and users.tasks:
            users.tasks[which % len(users.tasks)].cancel()
        elif using := users.using[True] + users.using[False]:
            using[which % len(using)].set()
        if settled:
            await settle()
        urgent, others = users.count()
        assert urgent + others <= total
        assert others <= connections.capacity(urgent=False)
    await settle()
    urgent, others = users.count()
    waiting = sum(not task.done() for task in users.tasks) - urgent - others
    if waiting:
        assert urgent + others >= connections.capacity(urgent=False)
    await users.end()
    # All connections are free again.
    async with AsyncExitStack() as stack, asyncio.timeout(1):
        for _ in range(total):
            await stack.enter_async_context(connections.use(urgent=True))
