"""The conformance suite: every transport, over real sockets, through the same bad days.

How to bring a transport in:

1. Write `tests/conformance/adapters/<name>.py` with a subclass of `Adapter`
   (`tests/conformance/adapter.py`); for a provider over HTTP, of `HttpAdapter`
   (`tests/conformance/http_adapter.py`), which brings a server and what it answers in each case:
   give `transport`, `url`, `content`, `reference`, `taken`, `bad_urls`, and in `answers` what this
   provider says differently. Put SECRET into the URL where a password or token goes (or return it
   from `settings`, if it is a setting), and WORDS into each refusal.
2. What the protocol cannot express goes into `impossible`, with the reason. Those tests are not
   made; `test_what_is_impossible_has_a_reason` keeps the table honest.
3. Add the class to `ADAPTERS` below. `test_every_transport_is_here` fails until you do.

Run one: `pytest tests/conformance -k kannel`. In every test, whatever the case is, SECRET must not
show in a name, a repr, a reason, an answer or the log; and when the transport is closed, no
connection is left.
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
from flashnotify.errors import (
    Misconfigured,
    Rejected,
    Retryable,
    SettingsError,
    TransportError,
    Unreachable,
)
from flashnotify.telemetry.logs import QUIET
from tests.conformance.adapter import RETRY_AFTER, SECRET, WORDS, Adapter, Case, Lent
from tests.conformance.adapters.apprise import AppriseAdapter
from tests.conformance.adapters.capture import CaptureAdapter
from tests.conformance.adapters.http_json import HttpJsonAdapter
from tests.conformance.adapters.kannel import KannelAdapter
from tests.conformance.adapters.ntfy import NtfyAdapter
from tests.conformance.adapters.smtp import SmtpAdapter
from tests.conformance.adapters.webpush import WebPushAdapter
from tests.support.eventually import eventually

ADAPTERS: tuple[type[Adapter], ...] = (
    CaptureAdapter,
    SmtpAdapter,
    KannelAdapter,
    HttpJsonAdapter,
    AppriseAdapter,
    WebPushAdapter,
    NtfyAdapter,
)

Made = Callable[..., Transport[Any]]

# Seconds that the servers get to notice the end of a connection, on a busy machine.
_PATIENCE = 20.0


def who_can(case: Case) -> pytest.MarkDecorator:
    """Run the test with each transport whose protocol can express `case`."""
    able = [made for made in ADAPTERS if case not in made.impossible]
    return pytest.mark.parametrize("adapter", able, ids=lambda made: made.name, indirect=True)


@pytest.fixture
def seen() -> list[str]:
    """What was shown of the transport: none of it may hold SECRET."""
    return []


@pytest.fixture
async def adapter(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    seen: list[str],
) -> AsyncIterator[Adapter]:
    """The adapter with its server running; in the end, nothing secret was shown."""
    # As `serve` logs.
    caplog.set_level(logging.INFO)
    for name in QUIET:
        caplog.set_level(logging.WARNING, logger=name)
    made: Adapter = request.param(Lent(tmp_path))
    await made.start()
    yield made
    await made.stop()
    seen += [caplog.text, *capsys.readouterr()]
    assert not [shown for shown in seen if SECRET in shown]


@pytest.fixture
async def make(adapter: Adapter, seen: list[str]) -> AsyncIterator[Made]:
    """Makes transports, closed in the end; after that, no connection is left."""
    made: list[Transport[Any]] = []

    def one(**changes: Any) -> Transport[Any]:
        transport = adapter.make(**changes)
        seen.extend((transport.name, repr(transport), str(transport), repr(transport.url)))
        made.append(transport)
        return transport

    yield one
    for transport in made:
        await transport.close()
    await until(lambda: adapter.open_connections == 0)


@pytest.fixture
async def transport(make: Made) -> Transport[Any]:
    """The transport, open."""
    made = make()
    await made.open()
    return made


async def until(true: Callable[[], bool]) -> None:
    """Let others run until something is true.

    With a bound of its own: the tests' time-out does not go for the end of a fixture after it.
    """
    async with asyncio.timeout(_PATIENCE):
        await eventually(true)


async def send(adapter: Adapter, transport: Transport[Any]) -> None:
    """Send a message, which is taken."""
    sent = await transport.send(adapter.content(adapter.message()))
    adapter.note(sent)


async def fails(
    kind: type[TransportError], adapter: Adapter, transport: Transport[Any], seen: list[str]
) -> TransportError:
    """Send a message, which fails with exactly `kind`."""
    with pytest.raises(kind) as caught:
        await transport.send(adapter.content(adapter.message()))
    seen.extend((str(caught.value), repr(caught.value)))
    assert caught.value.reason
    return caught.value


@who_can(Case.success)
async def test_a_message_arrives(adapter: Adapter, transport: Transport[Any]) -> None:
    sent = await transport.send(adapter.content(adapter.message()))
    adapter.note(sent)
    assert len(adapter.received) == 1
    assert sent.answer
    assert SECRET not in f"{sent}"


@who_can(Case.success)
async def test_many_at_once_arrive_once_each(adapter: Adapter, transport: Transport[Any]) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(send(adapter, transport))
    assert len(adapter.received) == 20


@who_can(Case.same_reference)
async def test_the_same_message_again_says_so(adapter: Adapter, transport: Transport[Any]) -> None:
    message = adapter.message()
    for _ in range(2):
        await transport.send(adapter.content(message))
    await send(adapter, transport)
    first, second, other = adapter.received
    assert first == second != other


@who_can(Case.refused_for_good)
async def test_a_refusal_for_good_ends_it_in_the_providers_words(
    adapter: Adapter, transport: Transport[Any], seen: list[str]
) -> None:
    adapter.behave(Case.refused_for_good)
    error = await fails(Rejected, adapter, transport, seen)
    assert WORDS in error.reason
    await send(adapter, transport)


@who_can(Case.bad_address)
async def test_an_address_that_does_not_exist_ends_it(
    adapter: Adapter, transport: Transport[Any], seen: list[str]
) -> None:
    adapter.behave(Case.bad_address)
    error = await fails(Rejected, adapter, transport, seen)
    assert WORDS in error.reason
    await send(adapter, transport)


@who_can(Case.refused_for_now)
async def test_a_refusal_for_now_may_be_tried_again(
    adapter: Adapter, transport: Transport[Any], seen: list[str]
) -> None:
    adapter.behave(Case.refused_for_now)
    error = await fails(Retryable, adapter, transport, seen)
    assert WORDS in error.reason
    await send(adapter, transport)


@who_can(Case.too_fast)
async def test_too_fast_says_for_how_long_to_wait_and_is_no_failure_of_the_transport(
    adapter: Adapter, transport: Transport[Any], seen: list[str]
) -> None:
    adapter.behave(Case.too_fast)
    error = await fails(Retryable, adapter, transport, seen)
    assert isinstance(error, Retryable)
    assert not isinstance(error, Unreachable)
    assert error.after == RETRY_AFTER


@who_can(Case.bad_config)
async def test_refused_credentials_are_for_a_person_to_mend(
    adapter: Adapter, transport: Transport[Any], seen: list[str]
) -> None:
    adapter.behave(Case.bad_config)
    await fails(Misconfigured, adapter, transport, seen)
    await send(adapter, transport)


@who_can(Case.hang)
async def test_a_hang_ends_at_the_time_out(adapter: Adapter, make: Made, seen: list[str]) -> None:
    hanging = make(timeout=0.5)
    await hanging.open()
    adapter.behave(Case.hang)
    message = adapter.content(adapter.message())
    # As `Sending` calls it.
    with pytest.raises((Unreachable, TimeoutError)) as caught:
        async with asyncio.timeout(hanging.timeout):
            await hanging.send(message)
    seen.append(str(caught.value))
    assert hanging.timeout == 0.5
    # What may still come on that connection would be taken for the answer to another message.
    await until(lambda: adapter.open_connections == 0)


@who_can(Case.dropped)
async def test_a_connection_dropped_half_way_may_be_tried_again(
    adapter: Adapter, transport: Transport[Any], seen: list[str]
) -> None:
    adapter.behave(Case.dropped)
    await fails(Unreachable, adapter, transport, seen)
    await send(adapter, transport)
    assert len(adapter.received) == 1


@who_can(Case.garbage)
async def test_another_protocol_is_no_answer(
    adapter: Adapter, transport: Transport[Any], seen: list[str]
) -> None:
    adapter.behave(Case.garbage)
    await fails(Unreachable, adapter, transport, seen)
    await send(adapter, transport)


@who_can(Case.down)
async def test_nobody_listens_until_somebody_does(
    adapter: Adapter, make: Made, seen: list[str]
) -> None:
    url = adapter.url
    await adapter.stop()
    transport = make(url=url)
    await transport.open()
    await fails(Unreachable, adapter, transport, seen)
    await adapter.start()
    await send(adapter, transport)
    assert len(adapter.received) == 1


@who_can(Case.cancelled)
async def test_a_connection_of_a_cancelled_delivery_is_not_used_again(
    adapter: Adapter, transport: Transport[Any]
) -> None:
    adapter.behave(Case.cancelled)
    sending = asyncio.create_task(transport.send(adapter.content(adapter.message())))
    await until(lambda: adapter.asked == 1)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await until(lambda: adapter.open_connections == 0)
    await send(adapter, transport)
    assert len(adapter.received) == 1


@who_can(Case.bad_url)
async def test_a_url_that_cannot_work_is_refused_at_the_start(
    adapter: Adapter, seen: list[str]
) -> None:
    assert adapter.bad_urls
    for url in adapter.bad_urls:
        with pytest.raises(SettingsError) as caught:
            adapter.make(url)
        seen.append(str(caught.value))


def test_every_transport_is_here() -> None:
    registered = {transport for made in TRANSPORTS.values() for transport in made}
    assert registered == {made.transport for made in ADAPTERS}


def test_what_is_impossible_has_a_reason() -> None:
    for made in ADAPTERS:
        assert Case.success not in made.impossible
        assert all(len(reason) > 20 for reason in made.impossible.values())
