"""The disposition that follows from the attempts at a delivery."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashnotify import errors
from flashnotify.archive import records
from flashnotify.delivery.disposition import dispose
from flashnotify.domain import (
    AttemptOutcome,
    DeliveryStatus,
    Device,
    DeviceType,
    NotificationStatus,
    Priority,
    Sent,
)
from flashnotify.meta.specs import RetryPolicy

NOW = 1_800_000_000_000
ONE = UUID(int=1)
DEVICE = Device(UUID(int=7), DeviceType.ntfy, "topic")


def notification(expires_at: int | None, priority: Priority) -> records.Notification:
    return records.Notification(
        ONE, "alert", "Fire", "", {}, (), priority, None, "en", None, expires_at, None, "local",
        NotificationStatus.sending, NOW, NOW,
    )  # fmt: skip


def attempts(number: int) -> Sequence[records.Attempt]:
    """Return attempts of this run, over one transport after the other."""
    return [
        records.Attempt(NOW - 1000, 1.0, f"t{n}", AttemptOutcome.retryable, None)
        for n in range(number)
    ]


def disposition(
    result: Sent | errors.TransportError,
    *,
    made: int = 0,
    now_made: int = 1,
    expires_in: float | None = None,
    age: float | None = None,
    device: Device | None = None,
    jitter: float = 1.0,
    priority: Priority = Priority.low,
    policy: RetryPolicy | None = None,
) -> records.Disposition:
    """Return the disposition after `made` earlier attempts, the first `age` seconds ago."""
    return dispose(
        result,
        notification(None if expires_in is None else NOW + round(expires_in * 1000), priority),
        records.Delivery(
            ONE, ONE, ONE, "academic", "email", "a@univ.example", DeliveryStatus.queued, NOW, NOW,
            attempts=made, first_attempt_at=None if age is None else NOW - round(age * 1000),
        ),
        attempts(now_made),
        policy=policy or RetryPolicy(),
        device=device,
        now=NOW,
        jitter=jitter,
    )  # fmt: skip


def test_a_message_that_was_taken_is_sent() -> None:
    assert disposition(Sent("ok")) == records.Finish(DeliveryStatus.sent)


@pytest.mark.parametrize(
    "error", [errors.Rejected("550 no"), errors.Unsendable("550 no"), errors.Gone("550 no")]
)
@pytest.mark.parametrize("priority", Priority)
def test_a_refusal_for_good_ends_the_delivery(
    error: errors.TransportError, priority: Priority
) -> None:
    assert disposition(error, priority=priority) == records.Finish(DeliveryStatus.failed, "550 no")


def test_only_a_device_that_is_gone_is_dropped() -> None:
    gone = disposition(errors.Gone("410"), device=DEVICE)
    assert gone == records.Finish(DeliveryStatus.failed, "410", drop_device=DEVICE.id)
    assert disposition(errors.Rejected("403"), device=DEVICE) == records.Finish(
        DeliveryStatus.failed, "403"
    )


@pytest.mark.parametrize(
    "error",
    [
        errors.Retryable("busy"),
        errors.Unreachable("down"),
        errors.NotTried("no thread"),
        errors.InternalError("internal error: KeyError"),
        errors.Misconfigured("535 bad password"),
    ],
)
def test_everything_that_may_pass_is_attempted_again(error: errors.TransportError) -> None:
    assert disposition(error) == records.Reschedule(NOW + 2000, error.reason)


def test_earlier_attempts_count() -> None:
    assert disposition(errors.Retryable("busy"), made=3) == records.Reschedule(NOW + 16_000, "busy")
    # As do those over several transports in this run.
    assert disposition(errors.Retryable("busy"), made=1, now_made=3) == records.Reschedule(
        NOW + 16_000, "busy"
    )


def test_the_jitter_spreads_the_wait() -> None:
    assert disposition(errors.Retryable("busy"), made=3, jitter=0.5) == records.Reschedule(
        NOW + 8000, "busy"
    )


@pytest.mark.parametrize(
    "error", [errors.Retryable("busy", after=60), errors.NotTried("busy", after=60)]
)
def test_retry_after_is_honoured(error: errors.TransportError) -> None:
    assert disposition(error, jitter=0) == records.Reschedule(NOW + 60_000, "busy")
    assert disposition(error) == records.Reschedule(NOW + 62_000, "busy")


def test_gives_up_with_the_last_answer() -> None:
    assert disposition(errors.Retryable("451 greylisted"), made=6, age=24 * 3600) == records.Finish(
        DeliveryStatus.failed, "gave up after 7 attempts; last answer: 451 greylisted"
    )


def test_the_first_attempt_of_all_decides_when_to_give_up() -> None:
    """Not the first one of this run."""
    old = disposition(errors.Retryable("busy"), made=1, age=24 * 3600, priority=Priority.critical)
    assert isinstance(old, records.Finish)
    assert isinstance(
        disposition(errors.Retryable("busy"), priority=Priority.critical), records.Reschedule
    )


def test_the_policy_of_the_channel_is_followed() -> None:
    policy = RetryPolicy(base=7)
    assert disposition(errors.Retryable("busy"), policy=policy) == records.Reschedule(
        NOW + 7000, "busy"
    )


@pytest.mark.parametrize("expires_in", [1, 2])
def test_no_attempt_is_made_once_it_has_expired(expires_in: float) -> None:
    assert disposition(errors.Retryable("busy"), expires_in=expires_in) == records.Finish(
        DeliveryStatus.failed, "expired before the next attempt; last answer: busy"
    )


@given(
    expires_in=st.floats(-100, 4000),
    after=st.none() | st.floats(0, 4000),
    jitter=st.floats(0, 1),
    made=st.integers(0, 20),
)
def test_a_rescheduled_delivery_is_due_in_its_lifetime(
    expires_in: float, after: float | None, jitter: float, made: int
) -> None:
    found: Any = disposition(
        errors.Retryable("busy", after=after), made=made, expires_in=expires_in, jitter=jitter
    )
    if isinstance(found, records.Reschedule):
        assert NOW <= found.due_at < NOW + round(expires_in * 1000)
    else:
        assert found.status is DeliveryStatus.failed
