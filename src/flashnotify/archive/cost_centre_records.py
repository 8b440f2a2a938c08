"""What the archive holds about who pays for SMS, as frozen records."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Period(StrEnum):
    """For how long a credit is: a month of the campus, or until it is used up."""

    month = "month"
    total = "total"


@dataclass(frozen=True, slots=True)
class CostCentre:
    """Whoever pays for SMS: a `credit` of segments a period, and the most `per_notification`.

    None stands for no limit. `created_at` is in ms since the epoch.
    """

    id: UUID
    slug: str
    name: str
    created_at: int
    credit: int | None = None
    period: Period = Period.month
    per_notification: int | None = None


@dataclass(frozen=True, slots=True)
class SmsUsage:
    """SMS of a kind, and their segments, of a month of the campus, such as `2026-12`."""

    cost_centre_id: UUID
    month: str
    kind: str
    segments: int
    messages: int
