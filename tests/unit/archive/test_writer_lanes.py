"""Urgent writes go into the next commit, however many others wait; order is kept in a lane."""

import asyncio

import pytest

from flashnotify.archive.sql.deliveries import END_SOME
from flashnotify.archive.sql.notifications import CANCEL_NOTIFICATION
from flashnotify.archive.write_lanes import WriteLane
from flashnotify.errors import Unavailable
from tests.support.archives import Archive

NOTIFICATIONS = "SELECT count(*) FROM notifications"


def bulk(archive: Archive, number: int) -> list[asyncio.Future[None]]:
    """Hand over that many bulk writes of one row."""
    changes = [archive.notification() for _ in range(number)]
    return [archive.writer.submit([change], WriteLane.bulk) for change in changes]


async def test_an_urgent_write_goes_into_the_next_commit(archive: Archive) -> None:
    for lane in (WriteLane.answer, WriteLane.urgent):
        before = archive.commits
        waiting = bulk(archive, 2000)
        await archive.writer.submit([archive.notification()], lane)
        assert archive.commits == before + 1
        assert sum(write.done() for write in waiting) == 250, "bulk gets its share"
        await asyncio.gather(*waiting)


async def test_the_order_of_one_notification_is_kept(archive: Archive) -> None:
    """What comes after a cancellation finds it, whatever waits in the other lanes."""
    write = archive.notification(status="sending", pending=10)
    id = write[1]["id"]
    await archive.writer.write(write)
    waiting = bulk(archive, 1200)
    ended = {"of": id, "ended": 10, "now": 5}
    waiting.append(
        archive.writer.submit(
            [(CANCEL_NOTIFICATION, {"of": id, "now": 4})], WriteLane.bulk, barrier=True
        )
    )
    waiting.append(archive.writer.submit([(END_SOME, ended)], WriteLane.bulk))
    await asyncio.gather(archive.writer.write(archive.notification()), *waiting)
    assert archive.rows("SELECT status FROM notifications WHERE pending = 0") == [("cancelled",)]


async def test_a_write_larger_than_a_share_goes_alone(archive: Archive) -> None:
    large = [archive.notification() for _ in range(1200)]
    await asyncio.gather(archive.writer.submit(large, WriteLane.bulk), *bulk(archive, 10))
    assert archive.one(NOTIFICATIONS) == 1210


async def test_a_backlog_of_long_answers_refuses_only_more_of_them(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive.writer, "_max_backlog", 100)
    changes = [archive.notification() for _ in range(101)]
    waiting = archive.writer.submit(changes, WriteLane.long_answer)
    with pytest.raises(Unavailable, match="keep up"):
        await archive.writer.submit([archive.notification()], WriteLane.long_answer)
    assert not archive.writer.overloaded
    await archive.writer.write(archive.notification())
    await waiting
    await archive.writer.submit([archive.notification()], WriteLane.long_answer)
    assert archive.one(NOTIFICATIONS) == 103


async def test_bulk_work_waits_for_room(archive: Archive) -> None:
    """It goes on when two commits can take what waits."""
    await archive.writer.room()
    waiting = bulk(archive, 501)
    room = asyncio.create_task(archive.writer.room())
    await asyncio.sleep(0)
    assert not room.done()
    await room
    assert sum(write.done() for write in waiting) == 250
    await asyncio.gather(*waiting)


async def test_nobody_waits_for_room_in_a_writer_that_has_ended(archive: Archive) -> None:
    waiting = bulk(archive, 600)
    room = asyncio.create_task(archive.writer.room())
    assert archive.writing is not None
    archive.writing.cancel()
    await room
    await asyncio.gather(*waiting, return_exceptions=True)
