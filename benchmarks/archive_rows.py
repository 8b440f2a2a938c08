"""Rows of an archive as the service would have written them in a month.

Filters find much or little. A quarter of the notifications has `COMMON` in common; the three oldest
ones, however many there are, have `RARE`.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple, TypeAlias

from flashnotify.archive.windows import coarser

# Rows by table.
Rows: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
_DELIVERIES_EACH = 10
_RARE_ONES = 3
_MONTH = 30 * 24 * 3_600_000
# Notifications whose rows are in memory at once.
_CHUNK = 5000
_EVENTS = 100_000
_TEN_MINUTES, _MINUTE = 600_000, 60_000


class Sort(NamedTuple):
    """What some notifications, and their deliveries, have in common."""

    kind: str
    channel: str
    priority: int
    status: str = "completed"
    outcome: str = "all_sent"
    reference: str | None = None
    # Of its deliveries: the status of those that were not sent, and their number.
    unsent: str = "failed"
    number_unsent: int = 0


COMMON = Sort("weather", "push", 2, "completed", "some_failed", "term report", "failed", 5)
RARE = Sort("health", "email", 3, "expired", "some_failed", "drill", "skipped", 10)
RARE_ADDRESS = "ada@univ.example"
_OTHERS = [
    Sort(kind, channel, priority)
    for kind in ("security", "infrastructure", "academic", "administrative")
    for channel in ("email", "sms")
    for priority in (0, 1)
]


class _Totals:
    """The counts that the service keeps over all notifications, by spans as long as it does."""

    def __init__(self, now: int) -> None:
        self._coarser = coarser(now)
        self._totals: Counter[tuple[int, str, str, str]] = Counter()
        self._latencies: Counter[tuple[int, str, str, int]] = Counter()

    def add(self, sort: Sort, at: int) -> None:
        """Count a notification and its deliveries."""
        since = self._since(at, _TEN_MINUTES)
        self._totals[since, sort.kind, "", "accepted"] += 1
        for status, number in _counts(sort):
            self._totals[since, sort.kind, sort.channel, status] += number
        since = self._since(at, _MINUTE)
        self._latencies[since, sort.channel, "capture://", 5] += _DELIVERIES_EACH

    def _since(self, at: int, span: int) -> int:
        for before, longer in self._coarser:
            span = longer if at < before else span
        return at - at % span

    def rows(self) -> Rows:
        """Return the rows of the counts."""
        totals, latencies = ("kind", "channel", "status"), ("channel", "transport", "bucket")
        return {
            "totals": [
                dict(zip(("since", *totals, "number"), (*key, number), strict=True))
                for key, number in self._totals.items()
            ],
            "latencies": [
                dict(zip(("since", *latencies, "attempts"), (*key, number), strict=True))
                | {"failures": 0}
                for key, number in self._latencies.items()
            ],
        }


def archived(deliveries: int) -> Iterator[Rows]:
    """Yield the rows of so many deliveries, of a month that ends now, in parts."""
    number = max(_RARE_ONES, deliveries // _DELIVERIES_EACH)
    chosen, now = Random(9), int(time.time() * 1000)
    start, totals = now - _MONTH, _Totals(now)
    for first in range(0, number, _CHUNK):
        rows: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for index in range(first, min(number, first + _CHUNK)):
            at = start + index * _MONTH // number
            sort = RARE if index < _RARE_ONES else _sort(chosen)
            _add(rows, sort, at)
            totals.add(sort, at)
        if number - first <= _EVENTS:
            rows["events"] = [_event(row) for row in rows["notifications"]]
        yield rows
    yield totals.rows()


def _sort(chosen: Random) -> Sort:
    return COMMON if chosen.random() < 0.25 else chosen.choice(_OTHERS)


def _counts(sort: Sort) -> list[tuple[str, int]]:
    counts = [(sort.unsent, sort.number_unsent), ("sent", _DELIVERIES_EACH - sort.number_unsent)]
    return [(status, number) for status, number in counts if number]


def _add(rows: dict[str, list[Mapping[str, Any]]], sort: Sort, at: int) -> None:
    """Add a notification that is over, with its deliveries, attempts and counts."""
    id = uuid(at, 0)
    ended = {"status": sort.status, "outcome": sort.outcome, "completed_at": at + 500}
    of = {"kind": sort.kind, "priority": sort.priority, "reference": sort.reference}
    rows["notifications"].append(notification(id, at, _DELIVERIES_EACH) | of | ended)
    statuses = []
    for status, number in _counts(sort):
        count = {"notification_id": id, "channel": sort.channel, "status": status}
        rows["counts"].append(count | {"deliveries": number})
        statuses += [status] * number
    for ordinal, status in enumerate(statuses, 1):
        address = RARE_ADDRESS if sort is RARE else f"p{at % 50_000}-{ordinal}@univ.example"
        made = delivery(uuid(at, ordinal), id, uuid(at, 99), at)
        of = {"kind": sort.kind, "channel": sort.channel, "address": address, "status": status}
        rows["deliveries"].append(made | of | {"attempts": 1, "first_attempt_at": at})
        rows["attempts"].append(_attempt(made["id"], status, at))


def _attempt(delivery: bytes, status: str, at: int) -> Mapping[str, Any]:
    return {
        "delivery_id": delivery,
        "number": 1,
        "at": at,
        "duration_ms": 12.5,
        "transport": "capture://",
        "outcome": "sent" if status == "sent" else "rejected",
        "answer": "250 OK",
    }


def _event(row: Mapping[str, Any]) -> Mapping[str, Any]:
    event = {"type": "notification", "notification_id": row["id"], "status": row["status"]}
    return event | {"at": row["completed_at"]}


def uuid(at: int, ordinal: int) -> bytes:
    """Return the UUIDv7 of a time and of an ordinal below 4096."""
    return (at << 80 | 7 << 76 | ordinal << 64 | 2 << 62 | at).to_bytes(16)


def notification(id: bytes, at: int, recipients: int) -> dict[str, Any]:
    """Return the columns that all notifications have."""
    return {
        "id": id,
        "title": "Fire drill",
        "body": "This is only a drill.",
        "data": '{"location": "B", "instructions": "Leave."}',
        "audience": "[]",
        "recipients": recipients,
        "locale": "en",
        "sender": "local",
        "accepted_at": at,
        "updated_at": at,
        "expanded": recipients,
        "pending": 0,
    }


def delivery(id: bytes, notification: bytes, job: bytes, at: int) -> dict[str, Any]:
    """Return the columns that all deliveries have."""
    made = {"id": id, "notification_id": notification, "job_id": job}
    return made | {"due_at": at, "updated_at": at}
