"""The parts of the service that must never end by themselves."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from flashnotify.errors import Unavailable
from flashnotify.runtime.supervisor import Supervisor

SECRET = "the recipient's address"


async def for_ever() -> None:
    await asyncio.Event().wait()


async def at_once() -> None:
    return


async def with_an_error() -> None:
    raise ZeroDivisionError(SECRET)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_while_every_part_works_all_is_well() -> None:
    supervisor = Supervisor()
    supervisor.start("writer", for_ever())
    await settle()
    supervisor.require_all()
    assert supervisor.failures == {}
    assert not supervisor.failed.is_set()
    await supervisor.stop("writer", within=0)


@pytest.mark.parametrize(
    ("run", "failure"), [(at_once, "it ended"), (with_an_error, "ZeroDivisionError")]
)
async def test_a_part_that_ends_has_failed(
    run: Callable[[], Awaitable[None]], failure: str
) -> None:
    supervisor = Supervisor()
    supervisor.start("scheduler", for_ever())
    with capture_logs() as logs:
        supervisor.start("writer", run())  # type: ignore[arg-type]
        await supervisor.failed.wait()
    assert supervisor.failures == {"writer": failure}
    with pytest.raises(Unavailable, match="writer") as caught:
        supervisor.require_all()
    assert "scheduler" not in str(caught.value)
    assert [(entry["event"], entry["part"], entry["error"]) for entry in logs] == [
        ("part.failed", "writer", failure)
    ]
    assert SECRET not in str(logs)
    await supervisor.stop("scheduler", within=0)


async def test_a_part_that_is_cancelled_has_failed() -> None:
    supervisor = Supervisor()
    supervisor.start("writer", for_ever())
    await settle()
    supervisor.tasks["writer"].cancel()
    await supervisor.failed.wait()
    assert supervisor.failures == {"writer": "it ended"}


async def test_while_stopping_parts_may_end_and_nothing_is_accepted() -> None:
    supervisor = Supervisor()
    supervisor.start("writer", for_ever())
    supervisor.start("email", at_once())
    supervisor.stopping()
    await settle()
    await supervisor.stop("writer", within=0)
    assert supervisor.failures == {}
    with pytest.raises(Unavailable, match="stopping"):
        supervisor.require_all()


async def test_an_error_while_stopping_is_a_failure_still() -> None:
    supervisor = Supervisor()
    supervisor.start("writer", with_an_error())
    supervisor.stopping()
    await settle()
    assert supervisor.failures == {"writer": "ZeroDivisionError"}


async def test_a_part_that_finishes_in_time_is_not_cancelled() -> None:
    supervisor, finish, finished = Supervisor(), asyncio.Event(), []

    async def part() -> None:
        await finish.wait()
        finished.append(True)

    supervisor.start("email", part())
    await settle()
    supervisor.stopping()
    finish.set()
    await supervisor.stop("email", within=60)
    assert finished == [True]


async def test_a_part_that_does_not_finish_in_time_is_cancelled() -> None:
    supervisor = Supervisor()
    supervisor.start("email", for_ever())
    supervisor.stopping()
    await supervisor.stop("email", within=0)
    assert supervisor.tasks["email"].cancelled()


async def test_a_part_that_was_never_started_is_stopped() -> None:
    await Supervisor().stop("email", within=60)
