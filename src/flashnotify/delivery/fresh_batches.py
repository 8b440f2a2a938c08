"""Batches that were stored a moment ago: what they need is still at hand, and not read back."""

from collections.abc import Sequence
from uuid import UUID

from flashnotify.archive.records import Delivery, Notification
from flashnotify.domain import Job

# Characters: with longer texts, what is kept would take too much memory.
_MAX_BODY = 2000


class FreshBatches:
    """Keeps the records of up to `bound` queued batches of small notifications.

    The archive stays the truth: each batch is given out once, and none of a notification that was
    cancelled. Whatever finds no room is read from the archive.
    """

    def __init__(self, bound: int = 2000) -> None:
        self._bound = bound
        self._batches: dict[UUID, tuple[Notification, Sequence[Delivery]]] = {}

    def add(self, job: Job, notification: Notification, deliveries: Sequence[Delivery]) -> None:
        """Keep the records of a batch, all of them on disk, if there is room."""
        short = len(notification.body) <= _MAX_BODY and notification.texts is None
        if short and len(self._batches) < self._bound:
            self._batches[job.id] = notification, deliveries

    def take(self, job: Job) -> tuple[Notification, Sequence[Delivery]] | None:
        """Give out what is kept of a batch."""
        return self._batches.pop(job.id, None)

    def discard(self, notification_id: UUID) -> None:
        """Keep nothing of a notification, which has changed."""
        for job_id, (notification, _) in list(self._batches.items()):
            if notification.id == notification_id:
                del self._batches[job_id]
