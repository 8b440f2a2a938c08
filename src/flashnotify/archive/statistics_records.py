"""What the archive counts, as frozen records: kept by the writes themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flashnotify import domain

# The status of accepted notifications in statistics, beside those of deliveries.
ACCEPTED = "accepted"
# Upper bounds, in milliseconds, of the latency histogram's buckets; one more is above the last.
LATENCY_BOUNDS = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Total:
    """How many notifications or deliveries reached a status. `channel` is empty for the former."""

    kind: str
    channel: str
    status: str
    number: int


@dataclass(frozen=True, slots=True)
class Latency:
    """The attempts of one transport in a window, by bucket of the latency histogram."""

    channel: str
    transport: str
    attempts: int = 0
    failures: int = 0
    buckets: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many deliveries of a lane wait for one reason; of fan-outs, how many notifications.

    `since` is when the oldest of their jobs was made, or, for the reason `due`, when the oldest job
    of the lane was due.
    """

    lane: domain.Lane
    reason: domain.WaitReason
    number: int
    since: int | None
