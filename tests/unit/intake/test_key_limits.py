"""What a key may reach: some channels, and so many recipients a day."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flashnotify.archive.api_key_records import ApiKey
from flashnotify.domain import DeliveryStatus, Priority
from flashnotify.errors import FlashNotifyError, NotPermitted, RateLimited, Unavailable
from flashnotify.identity.daily_recipients import RecipientLimits
from flashnotify.identity.principal import Principal
from tests.support.accepting import ALERT, Accepting
from tests.support.manual_clock import ManualClock

PARIS = ZoneInfo("Europe/Paris")
MAIL, PHONE = "mailto:{}@univ.example", "tel:+33612345678"


def key(**limits: Any) -> Principal:
    return Principal("key", frozenset({"notify:alert"}), Priority.critical, **limits)


@pytest.fixture
def accepting(clock: ManualClock) -> Accepting:
    made = Accepting(clock)
    stored = ApiKey("key", "K", b"", frozenset(), Priority.low, 0)
    made.archive.state.api_keys["key"] = stored
    made.submission.recipients = limits_of(made, clock)
    return made


def limits_of(accepting: Accepting, clock: ManualClock) -> RecipientLimits:
    return RecipientLimits(accepting.archive.api_keys, clock, PARIS)


async def send(accepting: Accepting, caller: Principal, *to: str, **more: Any) -> None:
    document = ALERT | {"to": list(to)} | more
    await accepting.submission.accept_parsed(caller, document, None)


def mails(number: int) -> Sequence[str]:
    return [MAIL.format(n) for n in range(number)]


async def refusal(sending: Any) -> FlashNotifyError:
    with pytest.raises(FlashNotifyError) as failure:
        await sending
    return failure.value


async def test_a_key_reaches_so_many_recipients_a_day(
    accepting: Accepting, clock: ManualClock
) -> None:
    caller = key(recipients_per_day=5)
    await send(accepting, caller, *mails(3))
    error = await refusal(send(accepting, caller, *mails(3), priority="critical"))
    assert isinstance(error, RateLimited)
    assert error.code == "recipients_exceeded"
    now = datetime.fromtimestamp(clock.now() / 1000, UTC)
    midnight = datetime.fromtimestamp(clock.now() / 1000 + error.retry_after, PARIS)
    assert (midnight.hour, midnight.minute, midnight.second) == (0, 0, 0)
    assert 0 < error.retry_after <= 86_400, now
    await send(accepting, caller, *mails(2))
    # A restart forgets nothing, and the next day begins anew.
    accepting.submission.recipients = limits_of(accepting, clock)
    assert isinstance(await refusal(send(accepting, caller, *mails(1))), RateLimited)
    await clock.advance(error.retry_after - 1)
    assert isinstance(await refusal(send(accepting, caller, *mails(1))), RateLimited)
    await clock.advance(1)
    await send(accepting, caller, *mails(5))
    assert len(accepting.stored()) == 3


async def test_requests_at_once_share_the_limit(accepting: Accepting) -> None:
    caller = key(recipients_per_day=5)
    sending = [send(accepting, caller, *mails(2)) for _ in range(5)]
    results = await asyncio.gather(*sending, return_exceptions=True)
    assert sum(result is None for result in results) == 2
    assert accepting.archive.state.api_keys["key"].recipients_reached == 4


async def test_what_is_not_stored_is_not_counted(accepting: Accepting) -> None:
    caller = key(recipients_per_day=2)
    accepting.archive.refuse_write()
    assert isinstance(await refusal(send(accepting, caller, *mails(2))), Unavailable)
    await send(accepting, caller, *mails(2))


async def test_a_key_uses_only_its_channels(accepting: Accepting) -> None:
    caller = key(channels=frozenset({"email", "push"}))
    await send(accepting, caller, *mails(1), PHONE)
    (stored,) = accepting.stored()
    assert stored.channels == ["email"]
    statuses = {d.channel: d.status for d in accepting.archive.state.deliveries.values()}
    assert statuses == {"email": DeliveryStatus.queued, "sms": DeliveryStatus.skipped}
    await send(accepting, caller, *mails(1), PHONE, channels=["email"])
    for to, channels in (
        ([*mails(1), PHONE], ["sms"]),
        ([*mails(1), PHONE], ["email", "sms"]),
        ([PHONE], None),
    ):
        error = await refusal(send(accepting, caller, *to, channels=channels))
        assert isinstance(error, NotPermitted)
        assert error.code == "channel_not_allowed"
    none = key(channels=frozenset({"push"}))
    assert isinstance(await refusal(send(accepting, none, *mails(1))), NotPermitted)
    assert len(accepting.stored()) == 2


async def test_a_key_without_limits_reads_nothing(accepting: Accepting) -> None:
    accepting.archive.refuse_read(AssertionError("it was read"))
    await send(accepting, key(), *mails(1))
    assert accepting.archive.state.read_refusals
