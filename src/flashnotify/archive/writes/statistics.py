"""Statistics, kept by the writes themselves: counts by ten minutes, latencies by the minute."""

from __future__ import annotations

from bisect import bisect_left
from uuid import UUID

from flashnotify.archive.models import Count, Latency, Total
from flashnotify.archive.records import LATENCY_BOUNDS, Attempt
from flashnotify.archive.writes.changes import Change, Stage, Statement, upsert
from flashnotify.domain import AttemptOutcome, DeliveryStatus

# Milliseconds that one row of counts, and one of latencies, covers.
TOTAL_SPAN = 600_000
LATENCY_SPAN = 60_000

ADD_COUNT = Statement(
    upsert(Count, ("notification_id", "channel", "status"), add=("deliveries",)),
    Stage.totals,
    amounts=("deliveries",),
)
ADD_TOTAL = Statement(
    upsert(Total, ("since", "kind", "channel", "status"), add=("number",)),
    Stage.totals,
    amounts=("number",),
)
ADD_LATENCY = Statement(
    upsert(
        Latency,
        ("since", "channel", "transport", "bucket"),
        add=("attempts", "failures"),
    ),
    Stage.totals,
    amounts=("attempts", "failures"),
)


def count(notification_id: UUID, channel: str, status: DeliveryStatus, number: int) -> Change:
    """Return the change that a notification has `number` more deliveries in a status."""
    return ADD_COUNT, {
        "notification_id": notification_id,
        "channel": channel,
        "status": status,
        "deliveries": number,
    }


def total(at: int, kind: str, channel: str, status: str, number: int = 1) -> Change:
    """Return the change that `number` more reached a status at `at`."""
    return ADD_TOTAL, {
        "since": at - at % TOTAL_SPAN,
        "kind": kind,
        "channel": channel,
        "status": status,
        "number": number,
    }


def latency(channel: str, attempt: Attempt) -> Change:
    """Return the change that `attempt` counts in the latencies of its transport."""
    return ADD_LATENCY, {
        "since": attempt.at - attempt.at % LATENCY_SPAN,
        "channel": channel,
        "transport": attempt.transport,
        "bucket": bisect_left(LATENCY_BOUNDS, attempt.duration * 1000),
        "attempts": 1,
        "failures": int(attempt.outcome is not AttemptOutcome.sent),
    }
