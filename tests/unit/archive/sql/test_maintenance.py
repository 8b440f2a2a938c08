"""Purges that meet other writes."""

from flashnotify.archive.records import Finish
from flashnotify.archive.sql.maintenance import SqlMaintenance
from flashnotify.domain import AttemptOutcome, DeliveryStatus, Job
from tests.support.archives import Archive
from tests.support.records import Records


async def test_a_delivery_that_is_queued_again_while_it_is_purged_stays(archive: Archive) -> None:
    records = Records(archive.ports, archive.clock.now)
    notification, [(_, deliveries)] = await records.fanned_out(2)
    failed = Finish(DeliveryStatus.failed, "550 no such user")
    attempt, now = records.attempt(AttemptOutcome.rejected), archive.clock.now()
    for delivery in deliveries:
        await records.record(notification, delivery, [attempt], failed, now)
    purges = archive.ports.maintenance
    assert isinstance(purges, SqlMaintenance)
    purge = await purges._slice([notification.id], 100)
    job = Job(records.id(), notification.id, notification.priority, "email", turn=0)
    await archive.ports.notifications.requeue(notification.id, deliveries[:1], [job], now)
    await archive.writer.write(*purge)
    assert archive.rows("SELECT status FROM deliveries") == [("queued",)]
    assert archive.one("SELECT count(*) FROM attempts") == 1
