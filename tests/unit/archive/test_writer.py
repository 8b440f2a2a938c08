"""Group commit: writes share commits, each is atomic, and none hangs."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, text, update

from flashnotify.archive.models import Notification
from flashnotify.archive.sql.changes import Change, Stage, Statement
from flashnotify.archive.sql.deliveries import ADD_DELIVERY, CHANGE_QUEUED, END_SOME
from flashnotify.archive.sql.devices import REMOVE_DEVICE
from flashnotify.archive.sql.notifications import ADD_NOTIFICATION, CANCEL_NOTIFICATION
from flashnotify.archive.sql.statistics import ADD_COUNT
from flashnotify.archive.sqlite import transactions
from flashnotify.errors import SyncFailed, Unavailable, WriteRefused
from tests.support.archives import Archive, opened
from tests.support.manual_clock import ManualClock


def delivery(archive: Archive, notification: Any, **more: Any) -> Change:
    """Return the insert of a delivery."""
    row = {
        "id": archive.ids(),
        "notification_id": notification,
        "job_id": archive.ids(),
        "channel": "email",
        "address": "ada@univ.example",
        "status": "queued",
        "reason": None,
        "attempts": 0,
        "due_at": 0,
        "first_attempt_at": None,
        "updated_at": 0,
    }
    return ADD_DELIVERY, row | more


def count(notification: Any, status: str, number: int) -> Change:
    """Return the change of a count by `number`."""
    row = {
        "notification_id": notification,
        "channel": "email",
        "status": status,
        "deliveries": number,
    }
    return ADD_COUNT, row


def finished(notification: Any, number: int, now: int) -> Change:
    """Return the change for `number` ended deliveries."""
    return END_SOME, {"of": notification, "ended": number, "now": now}


def compiled(archive: Archive) -> list[str]:
    """Return a list that gets the text of each statement that is handed to the driver."""
    texts: list[str] = []
    runner: Any = archive.writer._transactions
    compiled_statement = runner._compile

    def note(*arguments: Any) -> Any:
        found = compiled_statement(*arguments)
        texts.append(found.text)
        return found

    runner._compile = note
    return texts


def limit(pages: int) -> Change:
    """Return a change that limits the size of the archive, as a full disk would."""
    return Statement(text(f"PRAGMA max_page_count={pages}"), Stage.parents), {}


NOTIFICATIONS = "SELECT count(*) FROM notifications"


async def test_a_write_is_on_disk_when_it_returns(archive: Archive) -> None:
    await archive.writer.write(archive.notification())
    assert archive.one(NOTIFICATIONS) == 1


async def test_nothing_is_on_disk_before_the_commit(archive: Archive) -> None:
    done = archive.writer.submit([archive.notification()])
    assert not done.done()
    assert archive.one(NOTIFICATIONS) == 0
    await done


async def test_concurrent_writes_are_committed_together(archive: Archive) -> None:
    await archive.writer.write()
    before = archive.commits
    writes = [archive.writer.write(archive.notification()) for _ in range(200)]
    await asyncio.gather(*writes)
    assert archive.one(NOTIFICATIONS) == 200
    assert archive.commits - before <= 2


async def test_equal_statements_go_to_the_driver_together(archive: Archive) -> None:
    statements = compiled(archive)
    changes = [archive.notification() for _ in range(100)]
    await asyncio.gather(*(archive.writer.write(change) for change in changes))
    assert len([s for s in statements if "INSERT INTO notifications" in s]) == 1


async def test_statements_run_in_an_order_that_keeps_references_valid(archive: Archive) -> None:
    notification = archive.notification()
    id = notification[1]["id"]
    await archive.writer.write(finished(id, 1, 5), delivery(archive, id), notification)
    assert archive.one("SELECT count(*) FROM deliveries") == 1
    assert archive.one("SELECT completed_at FROM notifications") == 5


async def test_one_bad_write_fails_alone(archive: Archive) -> None:
    good = [archive.notification() for _ in range(20)]
    bad: list[list[Change]] = [
        [good[0]],  # the same id again
        [archive.notification(kind=None)],
        [delivery(archive, archive.ids())],  # of no notification
        [archive.notification(), delivery(archive, archive.ids())],
        [archive.notification(accepted_at=2**70)],
        [archive.notification(title=object())],
        [archive.notification(title="\ud800")],
        [(ADD_NOTIFICATION, {"id": archive.ids()})],
    ]
    writes = [archive.writer.submit([change]) for change in good]
    refused = [archive.writer.submit(changes) for changes in bad]
    answers = await asyncio.gather(*writes, *refused, return_exceptions=True)
    assert answers[:20] == [None] * 20
    assert [type(answer) for answer in answers[20:]] == [WriteRefused] * len(bad)
    # The notification beside a bad delivery is not there either.
    assert archive.one(NOTIFICATIONS) == 20
    await archive.writer.write(archive.notification())


def ending(archive: Archive) -> tuple[Any, list[Change], list[Change]]:
    """Return a new notification, the result of its last delivery, and its cancellation."""
    write = archive.notification(status="sending")
    id = write[1]["id"]
    result: list[Change] = [(END_SOME, {"of": id, "ended": 1, "now": 5})]
    return write, result, [(CANCEL_NOTIFICATION, {"of": id, "now": 6})]


async def test_a_barrier_keeps_its_place_among_the_writes_of_a_commit(archive: Archive) -> None:
    pairs = [ending(archive) for _ in range(20)]
    await archive.writer.write(*(write for write, _, _ in pairs))
    before, writes = archive.commits, []
    for _, result, cancel in pairs[:10]:
        writes.append(archive.writer.submit(result))
        writes.append(archive.writer.submit(cancel, barrier=True))
    for _, result, cancel in pairs[10:]:
        writes.append(archive.writer.submit(cancel, barrier=True))
        writes.append(archive.writer.submit(result))
    await asyncio.gather(*writes)
    assert archive.commits == before + 1
    found = archive.rows("SELECT status FROM notifications ORDER BY id")
    assert found == [("completed",)] * 10 + [("cancelled",)] * 10


async def test_results_are_grouped_between_barriers(archive: Archive) -> None:
    pairs = [ending(archive) for _ in range(30)]
    await archive.writer.write(*(write for write, _, _ in pairs))
    statements = compiled(archive)
    writes = [archive.writer.submit(result) for _, result, _ in pairs]
    writes.insert(0, archive.writer.submit(pairs[0][2], barrier=True))
    writes.append(archive.writer.submit(pairs[0][2], barrier=True))
    await asyncio.gather(*writes)
    assert len([s for s in statements if "UPDATE notifications" in s]) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        # As many parameters as values: executemany cannot have it.
        (
            Statement(
                update(Notification)
                .where(Notification.status.in_(("queued", "sending")))
                .values(locale=bindparam("to")),
                Stage.changes,
            ),
            {"to": "fr"},
        ),
        (Statement(insert(Notification).values(id=bindparam("of")), Stage.parents), {"off": 1}),
        (REMOVE_DEVICE, {"of": "not a UUID"}),
    ],
    ids=["expanding", "missing", "type"],
)
async def test_a_wrong_statement_is_an_internal_error_and_fails_alone(
    archive: Archive, wrong: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    good = archive.writer.submit([archive.notification()])
    bad = archive.writer.submit([wrong, wrong])
    answers = await asyncio.gather(good, bad, return_exceptions=True)
    assert answers[0] is None
    assert type(answers[1]) is RuntimeError
    assert "archive.wrong_statement" in capsys.readouterr().out
    await archive.writer.write(archive.notification())
    assert archive.one(NOTIFICATIONS) == 2


async def test_a_refusal_does_not_quote_the_data(archive: Archive) -> None:
    with pytest.raises(WriteRefused) as failure:
        await archive.writer.write(archive.notification(title="TOP SECRET", kind=None))
    assert "TOP SECRET" not in str(failure.value)
    assert "notifications.kind" in str(failure.value)


async def test_amounts_are_added_up(archive: Archive) -> None:
    first, second = archive.notification(pending=100), archive.notification(pending=100)
    one, two = first[1]["id"], second[1]["id"]
    await archive.writer.write(first, second)
    writes = [archive.writer.write(count(one, "sent", 1), finished(one, 1, 7)) for _ in range(30)]
    writes += [archive.writer.write(count(one, "failed", 2)) for _ in range(5)]
    writes += [
        archive.writer.write(count(two, "sent", 1), finished(two, 1, 7 + n)) for n in range(3)
    ]
    await asyncio.gather(*writes)
    await archive.writer.write(count(one, "sent", -4))
    found = [await archive.ports.notifications.counts(id) for id in (one, two)]
    assert found == [{"email": {"sent": 26, "failed": 10}}, {"email": {"sent": 3}}]
    assert archive.rows("SELECT pending FROM notifications ORDER BY id") == [(70,), (97,)]


async def test_the_last_delivery_to_end_completes_its_notification(archive: Archive) -> None:
    notification = archive.notification(pending=3, status="sending")
    id = notification[1]["id"]
    await archive.writer.write(notification)
    shown = "SELECT status, pending, completed_at FROM notifications"
    await archive.writer.write(finished(id, 2, 5))
    assert archive.rows(shown) == [("sending", 1, None)]
    await archive.writer.write(finished(id, 1, 6))
    assert archive.rows(shown) == [("completed", 0, 6)]


async def test_a_final_status_is_never_overwritten(archive: Archive) -> None:
    notification = archive.notification()
    added = delivery(archive, notification[1]["id"])
    change = {"of": added[1]["id"], "attempts": 1, "updated_at": 1}
    await archive.writer.write(notification, added)
    await archive.writer.write((CHANGE_QUEUED, change | {"status": "sent"}))
    await archive.writer.write((CHANGE_QUEUED, change | {"status": "failed"}))
    assert archive.one("SELECT status FROM deliveries") == "sent"


async def test_a_full_disk_is_reported_and_writing_resumes_when_there_is_room(
    archive: Archive,
) -> None:
    await archive.writer.write(limit(1))
    big = [archive.notification(body="x" * 60_000) for _ in range(10)]
    answers = await asyncio.gather(
        *(archive.writer.write(change) for change in big), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [Unavailable] * 10
    assert "full" in str(answers[0])
    # Nothing half done.
    assert archive.one(NOTIFICATIONS) == 0
    await archive.writer.write(limit(1_000_000))
    await asyncio.gather(*(archive.writer.write(change) for change in big))
    assert archive.one(NOTIFICATIONS) == 10


async def test_a_full_disk_and_a_bad_write_together(archive: Archive) -> None:
    """The bad write makes the writer try one by one, and then the disk is full."""
    await archive.writer.write(limit(1))
    big = archive.notification(body="x" * 60_000)
    bad = archive.notification(kind=None)
    answers = await asyncio.gather(
        *(archive.writer.write(change) for change in (bad, big)), return_exceptions=True
    )
    assert isinstance(answers[1], Unavailable)
    assert archive.one(NOTIFICATIONS) == 0
    await archive.writer.write(limit(1_000_000))
    await archive.writer.write(big)


async def test_a_damaged_archive_is_not_a_data_error(
    migrated: Path, tmp_path: Path, clock: ManualClock
) -> None:
    with closing(sqlite3.connect(migrated)) as connection:
        sql = "SELECT rootpage FROM sqlite_master WHERE name = 'notifications'"
        ((page,),) = connection.execute(sql).fetchall()
        ((size,),) = connection.execute("PRAGMA page_size").fetchall()
    damaged = bytearray(migrated.read_bytes())
    damaged[(page - 1) * size : page * size] = b"\xa5" * size
    (tmp_path / "damaged.db").write_bytes(damaged)
    async with opened(tmp_path / "damaged.db", clock) as archive:
        with pytest.raises(Unavailable, match="malformed"):
            await archive.writer.write(archive.notification())


async def test_a_failed_fsync_ends_the_writer(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the log holds is unknown then: neither this write nor the next one may be trusted."""
    await archive.writer.write()
    failure = sqlite3.OperationalError("disk I/O error")
    failure.sqlite_errorname = "SQLITE_IOERR_FSYNC"

    def fail(_: object) -> None:
        raise failure

    monkeypatch.setattr(transactions, "_commit", fail)
    write = archive.writer.submit([archive.notification()])
    with pytest.raises(SyncFailed, match="send it again with the same Idempotency-Key"):
        await write
    assert archive.writing is not None
    await asyncio.wait({archive.writing})
    assert isinstance(archive.writing.exception(), SyncFailed)
    for refused in (archive.writer.write(archive.notification()), archive.writer.check()):
        with pytest.raises(Unavailable):
            await refused


async def test_a_cancelled_caller_affects_no_other_write(archive: Archive) -> None:
    writes = [asyncio.create_task(archive.writer.write(archive.notification())) for _ in range(30)]
    await asyncio.sleep(0)
    for write in writes[::2]:
        write.cancel()
    answers = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(answer) for answer in answers[::2]] == [asyncio.CancelledError] * 15
    assert answers[1::2] == [None] * 15
    assert archive.one(NOTIFICATIONS) == 30


async def test_a_cancelled_caller_beside_a_bad_write_affects_no_other_write(
    archive: Archive,
) -> None:
    changes = [archive.notification(), archive.notification(kind=None), archive.notification()]
    writes = [asyncio.create_task(archive.writer.write(change)) for change in changes]
    await asyncio.sleep(0)
    writes[0].cancel()
    writes[1].cancel()
    await asyncio.wait(writes)
    assert writes[2].exception() is None
    await archive.writer.write(archive.notification())
    assert archive.one(NOTIFICATIONS) == 3


async def test_close_writes_everything_submitted(archive: Archive) -> None:
    writes = [archive.writer.submit([archive.notification()]) for _ in range(30)]
    archive.writer.close()
    assert archive.writing is not None
    await archive.writing
    assert [write.result() for write in writes] == [None] * 30
    assert archive.one(NOTIFICATIONS) == 30


async def test_a_closed_writer_refuses(archive: Archive) -> None:
    archive.writer.close()
    with pytest.raises(Unavailable):
        await archive.writer.write(archive.notification())
    assert archive.writing is not None
    await archive.writing
    with pytest.raises(Unavailable):
        await archive.writer.write(archive.notification())


async def test_pending_writes_fail_when_the_writer_ends(archive: Archive) -> None:
    await archive.writer.write()
    taken = [archive.writer.submit([archive.notification()]) for _ in range(3)]
    await asyncio.sleep(0)
    behind = [archive.writer.submit([archive.notification()]) for _ in range(3)]
    assert archive.writing is not None
    archive.writing.cancel()
    answers = await asyncio.gather(*taken, *behind, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 6
    with pytest.raises(Unavailable):
        await archive.writer.write(archive.notification())


async def test_pending_writes_fail_when_the_writer_cannot_start(
    tmp_path: Path, clock: ManualClock
) -> None:
    archive = Archive(tmp_path / "nowhere" / "archive.db", clock)
    archive.start()
    with pytest.raises(Unavailable):
        await archive.writer.write(archive.notification())
    assert archive.writing is not None
    with pytest.raises(Exception, match="unable to open"):
        await archive.writing
    await archive.close()


async def test_a_transaction_is_bounded(archive: Archive) -> None:
    """An urgent write never waits long for its turn."""
    await archive.writer.write()
    before = archive.commits
    await asyncio.gather(*(archive.writer.write(archive.notification()) for _ in range(9000)))
    assert archive.commits - before >= 3


async def test_is_overloaded_while_the_backlog_is_too_long(
    migrated: Path, clock: ManualClock
) -> None:
    async with opened(migrated, clock, max_backlog=100) as archive:
        writes = [archive.writer.submit([limit(1_000_000)]) for _ in range(101)]
        assert archive.writer.overloaded
        archive.writer.close()
        await asyncio.gather(*writes, return_exceptions=True)
        assert not archive.writer.overloaded


async def test_is_overloaded_while_the_disk_hangs(archive: Archive, clock: ManualClock) -> None:
    await archive.writer.write()
    blocker = sqlite3.connect(archive.file, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    try:
        write = archive.writer.submit([archive.notification()])
        for _ in range(10):
            await asyncio.sleep(0)
        states = [archive.writer.overloaded]
        await clock.advance(6)
        states.append(archive.writer.overloaded)
    finally:
        blocker.execute("ROLLBACK")
        blocker.close()
    await write
    assert archive.one(NOTIFICATIONS) == 1
    assert [*states, archive.writer.overloaded] == [False, True, False]
