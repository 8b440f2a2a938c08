"""What became of a delivery, as writes to the archive: each whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flashnotify.archive.writes.changes import Change
from flashnotify.archive.writes.statements import (
    ADD_ATTEMPT,
    ADD_COUNT,
    ADD_LATENCY,
    ADD_OUTBOX_MESSAGE,
    ADD_TOTAL,
    END_DELIVERY,
    FINISH_SOME,
    POSTPONE_DELIVERY,
)
from flashnotify.domain import AttemptOutcome, Captured, DeliveryStatus, Priority
from flashnotify.telemetry.statistics import latency, total


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt. `at` is in milliseconds since the epoch, `duration` in seconds.

    `tracked`: it counts in the statistics of its channel and transport.
    """

    at: int
    duration: float
    transport: str
    outcome: AttemptOutcome
    answer: str | None
    reference: str | None = None
    tracked: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """A delivery in hand, and what was tried before. Times are milliseconds since the epoch."""

    delivery_id: UUID
    notification_id: UUID
    kind: str
    channel: str
    priority: Priority
    expires_at: int | None
    attempts: int
    first_attempt_at: int | None
    device_id: UUID | None = None


def ended(
    delivery: Tally,
    status: DeliveryStatus,
    tries: Sequence[Try],
    *,
    now: int,
    reason: str | None = None,
    captured: tuple[UUID, Captured] | None = None,
) -> list[Change]:
    """The delivery has its final status. `captured` is a message to keep, with its id."""
    changes = _attempts(delivery, tries)
    changes.append(
        (END_DELIVERY, {**_progress(delivery, tries, now), "to_status": status, "why": reason})
    )
    changes.append((ADD_COUNT, _count(delivery, DeliveryStatus.queued, -1)))
    changes.append((ADD_COUNT, _count(delivery, status, 1)))
    changes.append((ADD_TOTAL, total(now, delivery.kind, delivery.channel, status)))
    changes.append((FINISH_SOME, {"of": delivery.notification_id, "finished": 1, "now": now}))
    if captured is not None:
        id, message = captured
        changes.append(
            (
                ADD_OUTBOX_MESSAGE,
                {
                    "id": id,
                    "notification_id": delivery.notification_id,
                    "delivery_id": delivery.delivery_id,
                    "channel": message.channel,
                    "address": message.to,
                    "subject": message.subject,
                    "text": message.text,
                    "html": message.html,
                    "captured_at": now,
                },
            )
        )
    return changes


def postponed(
    delivery: Tally, tries: Sequence[Try], *, now: int, due: int, reason: str
) -> list[Change]:
    """The delivery is tried again at `due`, in milliseconds since the epoch."""
    changes = _attempts(delivery, tries)
    changes.append(
        (POSTPONE_DELIVERY, {**_progress(delivery, tries, now), "due": due, "why": reason})
    )
    return changes


def _attempts(delivery: Tally, tries: Sequence[Try]) -> list[Change]:
    changes: list[Change] = []
    for number, tried in enumerate(tries, delivery.attempts + 1):
        duration_ms = round(tried.duration * 1000, 3)
        row = {
            "delivery_id": delivery.delivery_id,
            "number": number,
            "at": tried.at,
            "duration_ms": duration_ms,
            "transport": tried.transport,
            "outcome": tried.outcome,
            "answer": tried.answer,
            "reference": tried.reference,
        }
        changes.append((ADD_ATTEMPT, row))
        if tried.tracked:
            measured = latency(
                tried.at, delivery.channel, tried.transport, tried.outcome, duration_ms
            )
            changes.append((ADD_LATENCY, measured))
    return changes


def _progress(delivery: Tally, tries: Sequence[Try], now: int) -> dict[str, Any]:
    first = delivery.first_attempt_at
    return {
        "of": delivery.delivery_id,
        "tried": delivery.attempts + len(tries),
        "first": first if first is not None or not tries else tries[0].at,
        "now": now,
    }


def _count(delivery: Tally, status: DeliveryStatus, number: int) -> dict[str, Any]:
    return {
        "notification_id": delivery.notification_id,
        "channel": delivery.channel,
        "status": status,
        "deliveries": number,
    }
