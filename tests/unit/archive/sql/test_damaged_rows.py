"""A damaged row costs itself only: it is logged by its id, and everything else is read."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from flashnotify.archive.records import DeliveryFilter, Finish, NotificationFilter, ScheduledJob
from flashnotify.domain import DeliveryStatus, Job, Lane, NotificationStatus, Priority, WaitReason
from tests.support.archives import Archive
from tests.support.records import Records

LANE = Lane(None, Priority.low)
EMAIL = Lane("email", Priority.low)


async def _three(archive: Archive, *, turn: int | None = 0) -> list[Job]:
    records = Records(archive.ports, archive.clock.now)
    return [(await records.accepted(title=title, turn=turn))[1] for title in ("a", "b", "c")]


async def _titles(archive: Archive, limit: int = 9) -> Sequence[str]:
    titles: list[str] = []
    cursor = None
    while True:
        page = await archive.ports.notifications.page(
            NotificationFilter(), limit=limit, cursor=cursor
        )
        titles += [item.title for item in page.items]
        cursor = page.next
        if cursor is None:
            return titles


@pytest.mark.parametrize("id", ["x'00'", "'sixteen letters.'", "77"])
@pytest.mark.parametrize("limit", [2, 9])
async def test_a_list_leaves_out_a_row_whose_id_cannot_be_read(
    archive: Archive, id: str, limit: int
) -> None:
    await _three(archive)
    archive.change("DELETE FROM jobs")
    archive.change(f"UPDATE notifications SET id = {id} WHERE title = 'b'")
    with capture_logs() as logs:
        assert await _titles(archive, limit) == ["c", "a"]
    assert logs[0]["event"] == "archive.row_damaged"


@pytest.mark.parametrize(
    ("column", "value"), [("status", "quueued"), ("priority", 77), ("outcome", "so so")]
)
async def test_a_notification_with_an_unknown_value_is_found_and_listed_as_damaged(
    archive: Archive, column: str, value: object
) -> None:
    await _three(archive)
    archive.change(f"UPDATE notifications SET {column} = ? WHERE title = 'b'", value)
    page = await archive.ports.notifications.page(NotificationFilter(), limit=9, cursor=None)
    assert [(item.title, item.damaged) for item in page.items] == [
        ("c", False), ("b", True), ("a", False),
    ]  # fmt: skip
    found = await archive.ports.notifications.find(page.items[1].id)
    assert found is not None
    assert found.data == {"course": "ALG-2"}
    expected = NotificationStatus.sending if column == "status" else NotificationStatus.queued
    assert (found.status, found.priority, found.outcome) == (expected, Priority.low, None)


async def test_a_text_that_is_not_utf8_is_read_as_far_as_it_can_be(archive: Archive) -> None:
    await _three(archive)
    archive.change("UPDATE notifications SET title = CAST(x'62ff62' AS TEXT) WHERE title = 'b'")
    assert await _titles(archive) == ["c", "b\ufffdb", "a"]


async def test_a_delivery_with_an_unknown_status_is_left_out_and_logged_by_its_id(
    archive: Archive,
) -> None:
    records = Records(archive.ports, archive.clock.now)
    _, [(_, deliveries)] = await records.fanned_out(3)
    damaged = deliveries[1].id
    archive.change("UPDATE deliveries SET status = 'senT' WHERE id = ?", damaged.bytes)
    with capture_logs() as logs:
        page = await archive.ports.deliveries.page(DeliveryFilter(), limit=9, cursor=None)
    assert {item.id for item in page.items} == {deliveries[0].id, deliveries[2].id}
    assert logs == [
        {
            "event": "archive.row_damaged",
            "log_level": "error",
            "id": str(damaged),
            "error": "ValueError",
        }
    ]
    assert await archive.ports.deliveries.find(damaged) is None


async def _refill(archive: Archive, turn: int | None) -> list[UUID]:
    if turn is not None:
        return [job.notification_id for job in await archive.ports.jobs.ready(LANE, None, 9)]
    waited: Sequence[ScheduledJob] = await archive.ports.jobs.waited(
        LANE, archive.clock.now(), None, 9
    )
    return [each.job.notification_id for each in waited]


@pytest.mark.parametrize("turn", [0, None])
@pytest.mark.parametrize("column", ["id", "notification_id"])
@pytest.mark.parametrize("value", ["x'00'", "'sixteen letters.'"])
async def test_a_damaged_job_is_set_aside(
    archive: Archive, turn: int | None, column: str, value: str
) -> None:
    first, second, third = await _three(archive, turn=turn)
    key = f"x'{second.id.hex}'"
    archive.change(f"UPDATE jobs SET {column} = {value} WHERE id = {key}")
    whole = [first.notification_id, third.notification_id]
    with capture_logs() as logs:
        assert await _refill(archive, turn) == whole
        assert [line["event"] for line in logs] == ["archive.row_damaged"]
        assert await _refill(archive, turn) == whole
        assert len(logs) == 1
    assert archive.rows("SELECT count(*), min(due_at) > 99999999999999 FROM jobs GROUP BY reason")[
        1
    ] == (1, 1)


@pytest.mark.parametrize("column", ["id", "notification_id"])
@pytest.mark.parametrize("value", ["x'00'", "'sixteen letters.'", "77"])
async def test_a_delivery_of_a_batch_whose_ids_cannot_be_read_gets_new_ones(
    archive: Archive, column: str, value: str
) -> None:
    """Left out, it would never be sent, and its notification never completed."""
    records = Records(archive.ports, archive.clock.now)
    notification, [(job, deliveries)] = await records.fanned_out(3)
    second = deliveries[1]
    archive.change(f"UPDATE deliveries SET {column} = {value} WHERE id = x'{second.id.hex}'")
    with capture_logs() as logs:
        queued = await archive.ports.deliveries.queued(job.id)
    assert [line["event"] for line in logs] == ["archive.row_damaged", "deliveries.got_new_ids"]
    assert {each.address for each in queued} == {each.address for each in deliveries}
    end = Finish(DeliveryStatus.failed, "gone")
    await archive.ports.deliveries.finish(notification, queued, end, archive.clock.now())
    await archive.ports.jobs.finish(job)
    found = await archive.ports.notifications.find(notification.id)
    assert found is not None
    assert found.status is NotificationStatus.completed


@pytest.mark.parametrize(
    ("of_notification", "expected"), [(2, Priority.high), (77, Priority.low), ("'x'", Priority.low)]
)
@pytest.mark.parametrize("priority", ["77", "-1", "'x'", "x'00'"])
async def test_a_job_of_an_unknown_priority_gets_its_notifications(
    archive: Archive, priority: str, of_notification: object, expected: Priority
) -> None:
    """No lane has it, so that it would never be read."""
    await _three(archive)
    archive.change(f"UPDATE notifications SET priority = {of_notification}")
    archive.change(f"UPDATE jobs SET priority = {priority}")
    with capture_logs() as logs:
        await archive.ports.jobs.reconsider(archive.clock.now(), archive.clock.now())
    assert [line["event"] for line in logs] == ["archive.jobs_repaired"]
    assert len(await archive.ports.jobs.ready(Lane(None, expected), None, 9)) == 3


async def test_a_job_that_waits_for_an_unknown_reason_is_due(archive: Archive) -> None:
    jobs = await _three(archive, turn=None)
    archive.change("UPDATE jobs SET waiting = 'for Godot'")
    waited = await archive.ports.jobs.waited(LANE, archive.clock.now(), None, 9)
    assert [each.job.id for each in waited] == [job.id for job in jobs]
    assert {each.waiting for each in waited} == {WaitReason.due}


@pytest.mark.parametrize("change", ["priority = 77", "reason = 'for Godot'"])
async def test_a_damaged_count_of_what_waits_is_left_out(archive: Archive, change: str) -> None:
    records = Records(archive.ports, archive.clock.now)
    await records.fanned_out(3)
    await records.accepted()
    archive.change(f"UPDATE waiting SET {change} WHERE channel = ''")
    (waiting,) = await archive.ports.statistics.waiting()
    assert (waiting.lane, waiting.number) == (EMAIL, 3)
