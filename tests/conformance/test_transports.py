"""The conformance suite: every transport, over real sockets, through the same failures.

To add a transport:

1. Write `tests/conformance/adapters/<name>.py` with a subclass of `Adapter`
   (`tests/conformance/adapter.py`), or of `HttpAdapter` (`tests/conformance/http_adapter.py`),
   which has a server and its usual answers. Define `url`, `content`, `reference`, `accepted`,
   `bad_urls`, and in `answers` the cases in which this provider answers differently. Put SECRET
   into the URL in place of a password or token (or return it from `settings`, if it is a setting),
   and WORDS into each refusal.
2. List in `impossible` the cases that the protocol cannot express, each with its reason. The suite
   skips them.
3. Add the class to `ADAPTERS` below. `test_every_transport_has_an_adapter` fails until you do.

Run one with `pytest tests/conformance -k kannel`. In every test, SECRET must not appear in a name,
a repr, a reason, an answer or the log, and closing the transport must leave no connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from flashnotify.app import TRANSPORTS
from flashnotify.channels.transport import Transport
from flashnotify.errors import Misconfigured, Rejected, Retryable, SettingsError, Unreachable
from flashnotify.telemetry.logs import QUIET
from tests.conformance.adapter import RETRY_AFTER, SECRET, WORDS, Adapter, Case, Lent
from tests.conformance.adapters.apprise import AppriseAdapter
from tests.conformance.adapters.capture import CaptureAdapter
from tests.conformance.adapters.http_json import HttpJsonAdapter
from tests.conformance.adapters.in_app import InAppAdapter
from tests.conformance.adapters.kannel import KannelAdapter
from tests.conformance.adapters.ntfy import NtfyAdapter
from tests.conformance.adapters.smtp import SmtpAdapter, StepwiseSmtpAdapter
from tests.conformance.adapters.webpush import WebPushAdapter
from tests.conformance.http_adapter import HttpAdapter
from tests.support.eventually import eventually
from tests.support.http_server import DROP_HALF

ADAPTERS: tuple[type[Adapter], ...] = (
    CaptureAdapter,
    InAppAdapter,
    SmtpAdapter,
    StepwiseSmtpAdapter,
    KannelAdapter,
    HttpJsonAdapter,
    AppriseAdapter,
    WebPushAdapter,
    NtfyAdapter,
)

# Apprise has an HTTP client of its own.
OVER_OUR_CLIENT = (KannelAdapter, HttpJsonAdapter, WebPushAdapter, NtfyAdapter)

Made = Callable[..., Transport[Any]]

# Seconds for the servers to notice the end of a connection, on a busy machine.
_PATIENCE = 20.0

# The error for each failure of one message.
FAILURES = {
    Case.refused_for_good: Rejected,
    Case.bad_address: Rejected,
    Case.refused_for_now: Retryable,
    Case.bad_config: Misconfigured,
    Case.dropped: Unreachable,
    Case.garbage: Unreachable,
}
# The failures whose reason is the provider's text.
REFUSALS = (Case.refused_for_good, Case.bad_address, Case.refused_for_now)


def capable_of(*cases: Case) -> pytest.MarkDecorator:
    """Run the test for each of `cases` and each transport whose protocol can express it."""
    able = [(a, case) for a in ADAPTERS for case in cases if case not in a.impossible]
    names = [f"{a.transport.__module__.rpartition('.')[2]}-{case.name}" for a, case in able]
    return pytest.mark.parametrize(("adapter", "case"), able, ids=names, indirect=["adapter"])


@pytest.fixture
def seen() -> list[str]:
    """Everything shown of the transport, which must not contain SECRET."""
    return []


@pytest.fixture
async def adapter(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    seen: list[str],
) -> AsyncIterator[Adapter]:
    """Yield the adapter with its server running; then check that nothing showed SECRET."""
    # The levels of `serve`.
    caplog.set_level(logging.INFO)
    for name in QUIET:
        caplog.set_level(logging.WARNING, logger=name)
    made: Adapter = request.param(Lent(tmp_path))
    await made.running.start()
    yield made
    await made.running.stop()
    seen += [caplog.text, *capsys.readouterr()]
    assert not [shown for shown in seen if SECRET in shown]


@pytest.fixture
async def make(adapter: Adapter, seen: list[str]) -> AsyncIterator[Made]:
    """Yield a factory of transports; then close them and check that no connection is left."""
    made: list[Transport[Any]] = []

    def one(**changes: Any) -> Transport[Any]:
        transport = adapter.make(**changes)
        seen.extend((transport.name, repr(transport), str(transport), repr(transport.url)))
        made.append(transport)
        return transport

    yield one
    for transport in made:
        await transport.close()
    await until(lambda: adapter.running.open == 0)


@pytest.fixture
async def transport(make: Made) -> Transport[Any]:
    return make()


async def until(true: Callable[[], bool]) -> None:
    """Wait until `true()`, with a limit: the tests' timeout does not cover fixture teardown."""
    async with asyncio.timeout(_PATIENCE):
        await eventually(true)


async def send(adapter: Adapter, transport: Transport[Any]) -> None:
    """Send a message that the server accepts."""
    adapter.note(await transport.send(adapter.content(adapter.message())))


async def fails(
    expected: type[Exception], adapter: Adapter, transport: Transport[Any], seen: list[str]
) -> Any:
    """Send a message that must fail with `expected`; return the error."""
    with pytest.raises(expected) as caught:
        await transport.send(adapter.content(adapter.message()))
    seen.extend((str(caught.value), repr(caught.value)))
    return caught.value


@capable_of(Case.success)
async def test_a_message_arrives(adapter: Adapter, transport: Transport[Any], case: Case) -> None:
    sent = await transport.send(adapter.content(adapter.message()))
    adapter.note(sent)
    assert len(adapter.received) == 1
    assert sent.answer
    assert SECRET not in f"{sent}"


@capable_of(Case.success)
async def test_concurrent_messages_arrive_once_each(
    adapter: Adapter, transport: Transport[Any], case: Case
) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(send(adapter, transport))
    assert len(adapter.received) == 20


@capable_of(Case.same_reference)
async def test_a_repeated_message_keeps_its_reference(
    adapter: Adapter, transport: Transport[Any], case: Case
) -> None:
    message = adapter.message()
    for _ in range(2):
        await transport.send(adapter.content(message))
    await send(adapter, transport)
    first, second, other = adapter.received
    assert first == second != other


@capable_of(*FAILURES)
async def test_a_failure_concerns_only_its_own_message(
    adapter: Adapter, transport: Transport[Any], seen: list[str], case: Case
) -> None:
    adapter.behave(case)
    error = await fails(FAILURES[case], adapter, transport, seen)
    assert error.reason
    assert case not in REFUSALS or WORDS in error.reason
    await send(adapter, transport)
    assert len(adapter.received) == 1


@pytest.mark.parametrize("adapter", OVER_OUR_CLIENT, indirect=True)
async def test_a_success_that_breaks_off_is_one(
    adapter: HttpAdapter, transport: Transport[Any]
) -> None:
    adapter.server.next(DROP_HALF)
    sent = await transport.send(adapter.content(adapter.message()))
    assert sent.answer == "200 half an answer"


@capable_of(Case.too_fast)
async def test_rate_limiting_returns_the_wait_and_does_not_count_as_unreachable(
    adapter: Adapter, transport: Transport[Any], seen: list[str], case: Case
) -> None:
    adapter.behave(case)
    error = await fails(Retryable, adapter, transport, seen)
    assert not isinstance(error, Unreachable)
    assert error.after == RETRY_AFTER


@capable_of(Case.hang)
async def test_a_hang_ends_at_the_timeout(
    adapter: Adapter, make: Made, seen: list[str], case: Case
) -> None:
    hanging = make(timeout=0.5)
    adapter.behave(case)
    message = adapter.content(adapter.message())
    # The sender has the same limit.
    with pytest.raises((Unreachable, TimeoutError)) as caught:
        async with asyncio.timeout(hanging.timeout):
            await hanging.send(message)
    seen.append(str(caught.value))
    assert hanging.timeout == 0.5
    # A late answer on that connection would count as the answer to another message.
    await until(lambda: adapter.running.open == 0)


@capable_of(Case.down)
async def test_a_server_may_come_up_later(
    adapter: Adapter, make: Made, seen: list[str], case: Case
) -> None:
    url = adapter.url
    await adapter.running.stop()
    transport = make(url=url)
    error = await fails(Unreachable, adapter, transport, seen)
    assert error.reason
    await adapter.running.start()
    await send(adapter, transport)
    assert len(adapter.received) == 1


@capable_of(Case.cancelled)
async def test_a_cancelled_delivery_closes_its_connection(
    adapter: Adapter, transport: Transport[Any], case: Case
) -> None:
    adapter.behave(case)
    sending = asyncio.create_task(transport.send(adapter.content(adapter.message())))
    await until(lambda: adapter.asked == 1)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await until(lambda: adapter.running.open == 0)
    await send(adapter, transport)
    assert len(adapter.received) == 1


@capable_of(Case.bad_url)
async def test_a_bad_url_is_refused_at_startup(
    adapter: Adapter, seen: list[str], case: Case
) -> None:
    assert adapter.bad_urls
    for url in adapter.bad_urls:
        with pytest.raises(SettingsError) as caught:
            adapter.make(url)
        seen.append(str(caught.value))


def test_every_transport_has_an_adapter() -> None:
    registered = {transport for known in TRANSPORTS.values() for transport in known}
    assert registered == {adapter.transport for adapter in ADAPTERS}


def test_impossible_cases_have_a_reason() -> None:
    for adapter in ADAPTERS:
        assert Case.success not in adapter.impossible
        assert all(len(reason) > 20 for reason in adapter.impossible.values())
