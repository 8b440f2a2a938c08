"""The open transports of a channel: names, breakers and the effect of results."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from flashnotify import errors
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.channels.sms.channel import SMSMixin
from flashnotify.channels.sms.http_json import HttpJsonTransport
from flashnotify.channels.sms.kannel import KannelTransport
from flashnotify.delivery import transports
from flashnotify.delivery.breaker import BreakerState
from flashnotify.delivery.transports import OpenTransport, open_channel
from flashnotify.domain import AttemptOutcome, Message, Priority, Rendering, Sent
from tests.conformance.adapter import Lent
from tests.support.delivering import Delivering
from tests.support.loop_turns import some_turns
from tests.support.manual_clock import ManualClock

KNOWN = (KannelTransport, HttpJsonTransport)
FAILURES = 5


def message(to: str = "a@univ.example", *, urgent: bool = False) -> Message:
    priority = Priority.high if urgent else Priority.low
    return Message(UUID(int=1), to, Rendering("en", {}), 0, priority=priority)


@pytest.fixture
def opened(delivering: Delivering) -> OpenTransport:
    return delivering.channels["email"].transports[0]


@pytest.fixture
def several(opened: OpenTransport, monkeypatch: pytest.MonkeyPatch) -> OpenTransport:
    """A transport with a service behind it for each domain."""
    service = lambda message: message.to.partition("@")[2]  # noqa: E731  # it is an attribute
    monkeypatch.setattr(opened.transport, "service", service)
    return opened


async def test_transports_at_one_host_have_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = "https+json://a:x@sms.example/1 https+json://b:y@sms.example/2 kannel://u:p@sms.example"
    monkeypatch.setenv("FLASHNOTIFY_SMS_URL", urls)
    channel = open_channel(SMSMixin.__channel__, KNOWN, Lent(tmp_path).resources)
    assert [opened.name for opened in channel.transports] == [
        "https+json://sms.example",
        "https+json://sms.example (2)",
        "kannel://sms.example",
    ]
    assert len({id(opened.breaker) for opened in channel.transports}) == 3
    for opened in channel.transports:
        await opened.transport.close()


def test_a_channel_without_transports_is_reported_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        errors.DeclarationError, match=r"'sms' has no transports; add .* app/transports\.py"
    ):
        open_channel(SMSMixin.__channel__, (), Lent(tmp_path).resources)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("pigeon://loft", "unknown scheme; expected one of kannel:"),
        ("kannel://u:geheim@/x@y", "FLASHNOTIFY_SMS_URL"),
        (" ", "names no transport"),
    ],
)
def test_a_url_that_cannot_work_is_reported_with_an_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_SMS_URL", url)
    with pytest.raises(errors.SettingsError) as caught:
        open_channel(SMSMixin.__channel__, KNOWN, Lent(tmp_path).resources)
    assert said in str(caught.value)
    assert "Example: FLASHNOTIFY_SMS_URL=" in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("result", "outcome", "state"),
    [
        (Sent("ok"), AttemptOutcome.sent, BreakerState.closed),
        (errors.Rejected("no"), AttemptOutcome.rejected, BreakerState.closed),
        (errors.Retryable("busy"), AttemptOutcome.retryable, BreakerState.closed),
        (errors.Unreachable("down"), AttemptOutcome.retryable, BreakerState.open),
        (errors.Misconfigured("no"), AttemptOutcome.misconfigured, BreakerState.open),
        (errors.NotTried("no thread"), AttemptOutcome.retryable, BreakerState.half_open),
        (errors.InternalError("bug"), AttemptOutcome.error, BreakerState.half_open),
        (errors.Unsendable("too long"), AttemptOutcome.rejected, BreakerState.half_open),
    ],
)
async def test_a_result_of_a_probe_tells_the_breaker(
    opened: OpenTransport,
    clock: ManualClock,
    result: Sent | errors.TransportError,
    outcome: AttemptOutcome,
    state: BreakerState,
) -> None:
    opened.breaker.misconfigure("no")
    await clock.advance(30)
    assert opened.breaker.allow(urgent=False)
    assert opened.report(message(), result) is outcome
    assert opened.breaker.state is state
    if state is BreakerState.half_open:
        # It said nothing of the transport: the next one may probe.
        assert opened.breaker.allow(urgent=False)


def test_an_opening_breaker_is_logged_once_without_the_providers_words(
    opened: OpenTransport,
) -> None:
    with capture_logs() as logs:
        for _ in range(FAILURES + 3):
            opened.report(message(), errors.Unreachable("no route to a@univ.example"))
        opened.report(message(), Sent("ok"))
    assert [entry["event"] for entry in logs] == [
        "transport.breaker_opened",
        "transport.breaker_closed",
    ]
    assert logs[0]["error"] == "Unreachable"
    assert "a@univ.example" not in str(logs)


@pytest.mark.parametrize(
    ("result", "meaning"),
    [(errors.Misconfigured("no"), "doctor"), (errors.Unreachable("down"), "keeps failing")],
)
def test_the_log_says_whether_to_wait_or_to_change_settings(
    opened: OpenTransport, result: errors.TransportError, meaning: str
) -> None:
    with capture_logs() as logs:
        for _ in range(FAILURES):
            opened.report(message(), result)
    (entry,) = logs
    assert meaning in entry["meaning"]


def test_a_transport_serves_one_address_only_if_it_is_named_for_it(opened: OpenTransport) -> None:
    assert opened.serves(message("anybody@univ.example"))
    only = replace(opened, only="b@univ.example")
    assert [only.serves(message(f"{name}@univ.example")) for name in "ab"] == [False, True]


def test_services_behind_one_transport_have_breakers_of_their_own(several: OpenTransport) -> None:
    for _ in range(FAILURES):
        several.report(message("a@slow.example"), errors.Unreachable("down"))
    assert several.breaker_for(message("b@slow.example")).state is BreakerState.open
    assert several.breaker_for(message("a@fast.example")).state is BreakerState.closed
    # The transport is as good as the best of them.
    assert several.health.state is BreakerState.closed
    for _ in range(FAILURES):
        several.report(message("a@fast.example"), errors.Unreachable("down"))
    assert several.health.state.value == "open"


def test_the_services_that_are_remembered_are_bounded(
    several: OpenTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers name them."""
    monkeypatch.setattr(transports, "_MAX_SERVICES", 3)
    bounded = OpenTransport("several", "several", "email", several.transport, several.breaker)
    for number in range(5):
        bounded.breaker_for(message(f"a@host-{number}.example"))
    assert list(bounded.services) == [f"host-{number}.example" for number in (2, 3, 4)]


def test_a_service_that_is_down_keeps_no_batch_from_the_others(
    delivering: Delivering, several: OpenTransport
) -> None:
    """Of all the services, only this one has been used so far."""
    several.report(message("a@slow.example"), errors.Misconfigured("no"))
    channel = delivering.channels["email"]
    assert channel.wait(message("a@slow.example"), urgent=False) == 30
    assert channel.wait(None, urgent=False) == 0
    assert channel.wait(message("a@fast.example"), urgent=False) == 0


async def test_a_service_has_at_most_half_of_the_connections(several: OpenTransport) -> None:
    held = 0

    async def hold(to: str) -> None:
        nonlocal held
        async with several.connection(message(to)):
            held += 1
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(hold("a@slow.example")) for _ in range(40)]
        await some_turns()
        # A quarter of them is for urgent deliveries.
        assert held == several.transport.connections.total // 2 * 3 // 4
        tasks.append(group.create_task(hold("a@fast.example")))
        await some_turns()
        assert held == several.transport.connections.total // 2 * 3 // 4 + 1
        for task in tasks:
            task.cancel()


def test_a_rate_limit_pauses_the_whole_transport(opened: OpenTransport) -> None:
    opened.report(message(), errors.Retryable("451 greylisted", after=60))
    assert opened.breaker.wait(urgent=True) == 0
    opened.report(message(), errors.Throttled("429 slow down"))
    assert opened.breaker.wait(urgent=True) == 0
    opened.report(message(), errors.Throttled("429 slow down", after=60))
    assert opened.breaker.wait(urgent=True) == 60


async def test_a_channel_waits_for_the_transport_that_is_ready_first(
    delivering: Delivering, clock: ManualClock
) -> None:
    delivering.open(EmailMixin, [], [])
    channel = delivering.channels["email"]
    assert channel.wait(None, urgent=False) == 0
    channel.transports[0].breaker.misconfigure("no")
    assert channel.wait(message(), urgent=False) == 0
    await clock.advance(10)
    channel.transports[1].breaker.misconfigure("no")
    assert channel.wait(message(), urgent=False) == 20
    assert channel.wait(message(urgent=True), urgent=True) == 0
    assert channel.wait(None, urgent=False) == 20


def test_a_channel_does_not_wait_for_a_transport_of_another_address(
    delivering: Delivering,
) -> None:
    delivering.open(EmailMixin, [], [])
    channel = delivering.channels["email"]
    first, second = channel.transports
    only = replace(channel, transports=[first, replace(second, only="b@univ.example")])
    first.breaker.misconfigure("no")
    assert only.wait(message("a@univ.example"), urgent=False) == 30
    assert only.wait(message("b@univ.example"), urgent=False) == 0
    assert replace(channel, transports=[]).wait(message(), urgent=False) is None
    nobody = replace(only, transports=only.transports[1:])
    assert nobody.wait(message("a@univ.example"), urgent=False) is None


@pytest.mark.parametrize(("urgent", "capacity"), [(False, 12), (True, 16)])
def test_a_channel_sends_as_much_at_once_as_its_widest_transport(
    delivering: Delivering, urgent: bool, capacity: int
) -> None:
    narrow: Any
    narrow, _ = delivering.open(EmailMixin, [], [])
    narrow.connections = type(narrow.connections)(1)
    assert delivering.channels["email"].capacity(urgent=urgent) == capacity
    delivering.open(EmailMixin)
    assert delivering.channels["email"].capacity(urgent=urgent) == 1


def test_addresses_are_checked_as_the_channel_wants_them(delivering: Delivering) -> None:
    check = delivering.channels["email"].check_address
    assert check("Ada@UNIV.example") == "Ada@univ.example"
    with pytest.raises(ValueError, match="@"):
        check("nobody")
