"""An explanation: the steps of a notification towards a person, each with a code and words."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Code(StrEnum):
    """What happened, or what holds. The closed set of what an explanation can say."""

    accepted = "accepted"
    scheduled = "scheduled"
    not_fanned_out = "not_fanned_out"
    in_audience = "in_audience"
    not_in_audience = "not_in_audience"
    excluded = "excluded"
    joined_later = "joined_later"
    no_trace = "no_trace"
    inactive = "inactive"
    no_address = "no_address"
    channel_not_requested = "channel_not_requested"
    channel_not_offered = "channel_not_offered"
    not_preferred = "not_preferred"
    opted_out = "opted_out"
    digest = "digest"
    quiet_hours = "quiet_hours"
    address_suspended = "address_suspended"
    expired = "expired"
    cancelled = "cancelled"
    skipped = "skipped"
    queued = "queued"
    retrying = "retrying"
    breaker_open = "breaker_open"
    failed = "failed"
    sent = "sent"
    delivered = "delivered"
    read = "read"
    acknowledged = "acknowledged"


# In the order in which they answer the question: the first of them that is there does.
_GOT = (Code.acknowledged, Code.read, Code.delivered, Code.sent)
_WAITS = (
    *(Code.scheduled, Code.not_fanned_out, Code.queued, Code.retrying, Code.breaker_open),
    *(Code.quiet_hours, Code.digest),
)
_NOT = (
    *(Code.cancelled, Code.expired, Code.failed, Code.inactive, Code.opted_out),
    *(Code.address_suspended, Code.skipped, Code.excluded, Code.not_in_audience),
    *(Code.joined_later, Code.channel_not_offered, Code.no_address, Code.channel_not_requested),
    *(Code.not_preferred, Code.no_trace),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `at` is in milliseconds since the epoch; of what waits, until when."""

    code: Code
    text: str
    at: int | None = None
    channel: str | None = None
    delivery: UUID | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The steps in order, and the sentence that answers the question."""

    notification_id: UUID
    user_id: UUID
    steps: tuple[Step, ...]

    @property
    def deciding(self) -> Step:
        """The step that answers the question."""
        found = {step.code: step for step in reversed(self.steps)}
        return next(found[code] for code in (*_GOT, *_WAITS, *_NOT) if code in found)

    @property
    def answer(self) -> str:
        """Whether the person got the notification, and why, in a sentence."""
        step = self.deciding
        verdict = "Yes" if step.code in _GOT else "Not yet" if step.code in _WAITS else "No"
        return f"{verdict}: {step.text[:1].lower()}{step.text[1:]}"
