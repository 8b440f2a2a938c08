"""Submission over an archive in memory."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from flashnotify.archive.records import Notification
from flashnotify.domain import Priority
from flashnotify.identity.daily_recipients import RecipientLimits
from flashnotify.identity.principal import Principal
from flashnotify.intake.audience import Audience
from flashnotify.intake.idempotency import Idempotency
from flashnotify.intake.submission import Submission
from flashnotify.intake.validation import Limits, Validation
from flashnotify.runtime.supervisor import Supervisor
from flashnotify.telemetry.metrics import Metrics
from flashnotify.time_slices import TimeSlices
from tests.support.delivering import KINDS, TEMPLATES, Delivering
from tests.support.manual_clock import ManualClock

ALERT: dict[str, Any] = {
    "kind": "alert",
    "title": "Fire",
    "body": "Leave the building.",
    "to": ["mailto:a@univ.example"],
}
# Of keys without a cost centre.
NO_COSTS: Any = None
SENDER = Principal("sender", frozenset({"notify:alert"}), Priority.critical)


class Accepting:
    """A submission over a `MemoryArchive`; `delivering` sends what it accepts."""

    def __init__(self, clock: ManualClock, bound: int = 100) -> None:
        self.delivering = Delivering(clock, bound)
        self.archive = self.delivering.archive
        self.dispatch = self.delivering.dispatch
        self.supervisor = Supervisor()
        self.metrics = Metrics(KINDS.values())
        channels = self.delivering.channels.values()
        slices = TimeSlices()
        audience = Audience(
            {c.spec.scheme: c.check_address for c in channels}, {}, self.archive.directory, slices
        )
        self.submission = Submission(
            Validation(KINDS, TEMPLATES, audience, Limits(500, 10_000, 100), UTC),
            self.archive,
            Idempotency(self.archive.notifications, clock, slices),
            self.supervisor,
            self.delivering.planner,
            self.metrics,
            clock,
            self.delivering.ids,
            "fr",
            slices,
            RecipientLimits(self.archive.api_keys, clock, UTC),
            self.archive.directory,
            NO_COSTS,
        )

    def stored(self) -> list[Notification]:
        """Return everything that was accepted, oldest first."""
        return sorted(self.archive.state.notifications.values(), key=lambda n: n.id)

    def depth(self) -> int:
        """Return the number of jobs that wait in memory."""
        return sum(sum(queue.depth().values()) for queue in self.dispatch.queues.values())
