"""What a delivery tells about why its person got a notification, or not."""

from collections.abc import Iterator, Mapping

from flashnotify.archive.explanation_ports import Suspension
from flashnotify.archive.records import ListedDelivery
from flashnotify.control.explanation import Code, Step
from flashnotify.delivery.decision import EXPIRED
from flashnotify.delivery.routing import (
    INACTIVE,
    NO_ADDRESS,
    NOT_OFFERED,
    NOT_REQUESTED,
    OPTED_OUT,
)
from flashnotify.domain import DeliveryStatus, WaitReason

# By the reason of a delivery that was skipped.
_SKIPPED: Mapping[str | None, tuple[Code, str]] = {
    INACTIVE: (Code.inactive, "The person is deactivated."),
    NO_ADDRESS: (Code.no_address, "The person has no address on the channels that they want."),
    NOT_OFFERED: (Code.channel_not_offered, "The kind does not offer the channel."),
    NOT_REQUESTED: (Code.channel_not_requested, "The channel was not requested."),
    OPTED_OUT: (Code.opted_out, "The person opted out of this kind."),
    EXPIRED.reason: (Code.expired, "It expired before it could be sent."),
}
_WAITING: Mapping[WaitReason | None, tuple[Code, str]] = {
    WaitReason.quiet_hours: (Code.quiet_hours, "It waits for the end of quiet hours."),
    WaitReason.breaker_open: (Code.breaker_open, "It waits for the transport to work again"),
    WaitReason.retrying: (Code.retrying, "It will be tried again"),
}
_QUEUED = Code.queued, "It is about to be sent."
_ENDED: Mapping[DeliveryStatus, tuple[Code, str]] = {
    DeliveryStatus.cancelled: (Code.cancelled, "It was cancelled before it was sent."),
    DeliveryStatus.sent: (Code.sent, "It was sent."),
    DeliveryStatus.delivered: (Code.delivered, "It was delivered."),
}


def steps_of(
    delivery: ListedDelivery, last: str | None, read_at: int | None, suspended: Suspension | None
) -> Iterator[Step]:
    """Yield the steps of a delivery, whose `last` attempt was answered so.

    `suspended` is the suspension of the person's address on its channel, if there is one.
    """
    code, text, at = _step(delivery, last, suspended)
    yield Step(code, text, at, delivery.channel, delivery.id)
    if read_at is not None:
        yield Step(Code.read, "The person read it.", read_at, delivery.channel, delivery.id)


def _step(
    delivery: ListedDelivery, last: str | None, suspended: Suspension | None
) -> tuple[Code, str, int]:
    reason, at = delivery.reason, delivery.updated_at
    match delivery.status:
        case DeliveryStatus.queued | DeliveryStatus.sending:
            code, text = _WAITING.get(delivery.waiting, _QUEUED)
            return code, text if text.endswith(".") else _with(text, last), delivery.due_at
        case DeliveryStatus.failed:
            return Code.failed, _with("It failed", reason), at
        case DeliveryStatus.skipped:
            return *_skipped(reason, suspended), at
        case status:
            return *_ENDED[status], at


def _skipped(reason: str | None, suspended: Suspension | None) -> tuple[Code, str]:
    if (known := _SKIPPED.get(reason)) is not None:
        return known
    if suspended is not None:
        return Code.address_suspended, f"The person's address is suspended: {suspended.reason}"
    if "digest" in (reason or ""):
        return Code.digest, "It went into the person's digest."
    return Code.skipped, _with("It was skipped", reason)


def _with(text: str, why: str | None) -> str:
    return f"{text}: {why}" if why else f"{text}."
