"""Delivery reports over HTTP, as Kannel sends them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from flashnotify.app import Service
from flashnotify.ids import UUIDv7
from flashnotify.settings import ServiceConfig
from tests.support.eventually import eventually
from tests.support.http_server import HANG, HttpServer, Received, Reply
from tests.support.manual_clock import ManualClock
from tests.support.running import Running, running

TO = "tel:+33612345678"
OTHER = "tel:+33612345679"


@pytest.fixture
async def kannel() -> AsyncIterator[HttpServer]:
    """Run a server that replies like Kannel."""
    async with HttpServer(Reply(202, "0: Accepted for delivery")) as server:
        yield server


@pytest.fixture
async def texting(
    kannel: HttpServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    """Run a service that sends SMS to `kannel` and has a path in its public URL."""
    monkeypatch.setenv("FLASHNOTIFY_SMS_URL", f"kannel://user:secret@{kannel.host}")
    # A delivery that hangs at the end of a test is not waited for.
    monkeypatch.setenv("FLASHNOTIFY_DRAIN_SECONDS", "0")
    monkeypatch.setenv("FLASHNOTIFY_PUBLIC_URL", "https://notify.univ.example/100%25/")
    async with running(Service(ServiceConfig(), clock)) as service:
        yield service


def report_path(request: Received) -> str:
    """Return the path to which Kannel reports, with %d for the status."""
    url = urlsplit(request.query["dlr-url"])
    assert (url.scheme, url.netloc) == ("https", "notify.univ.example")
    assert url.path.startswith("/100%%25/v1/receipts/kannel/")
    return url.path.removeprefix("/100%%25") + f"?{url.query}"


async def report(service: Running, request: Received, status: int) -> httpx.Response:
    """Report a status as Kannel does, without a key."""
    path = report_path(request)
    assert path.endswith("?status=%d")
    return await service.anonymous.get(path.replace("%d", str(status)))


async def sent(service: Running, kannel: HttpServer, *to: str) -> tuple[str, Received]:
    """Send an SMS, and return the notification and Kannel's request."""
    id = await service.send(to=list(to or (TO,)), channels=["sms"])
    await service.completed(id)
    return id, kannel.requests[-1]


async def delivery(service: Running, id: str) -> tuple[str, str | None]:
    """Return the status and reason of a notification's only delivery."""
    (found,) = (await service.get(f"/v1/notifications/{id}/deliveries"))["items"]
    assert len(found["attempts"]) == 1
    return found["status"], found["reason"]


async def counts(service: Running, id: str) -> Any:
    return (await service.get(f"/v1/notifications/{id}"))["counts"]


async def test_a_reported_delivery_is_shown_as_delivered(
    texting: Running, kannel: HttpServer
) -> None:
    id, request = await sent(texting, kannel)
    assert await delivery(texting, id) == ("sent", None)
    answer = await report(texting, request, 1)
    assert (answer.status_code, answer.json()) == (200, {"status": "delivered"})
    assert await delivery(texting, id) == ("delivered", None)
    assert await counts(texting, id) == {"sms": {"delivered": 1}}


async def test_a_repeated_report_counts_once(texting: Running, kannel: HttpServer) -> None:
    id, first = await sent(texting, kannel, TO, OTHER)
    second = kannel.requests[-2]
    answers = await asyncio.gather(*(report(texting, first, 1) for _ in range(50)))
    answers.append(await report(texting, first, 1))
    assert {answer.status_code for answer in answers} == {200}
    assert await counts(texting, id) == {"sms": {"delivered": 1, "sent": 1}}
    await report(texting, second, 1)
    assert await counts(texting, id) == {"sms": {"delivered": 2}}


async def test_reports_written_together_count_once(texting: Running, kannel: HttpServer) -> None:
    id, request = await sent(texting, kannel)
    # Holds up the writer, so that whatever comes meanwhile gets into one commit.
    archive = sqlite3.connect(texting.service.config.archive_file, isolation_level=None)
    archive.execute("BEGIN IMMEDIATE")
    try:
        held = asyncio.create_task(texting.send())
        reports = [asyncio.create_task(report(texting, request, 1)) for _ in range(20)]
        for _ in range(100):
            assert await delivery(texting, id) == ("sent", None)
    finally:
        archive.execute("ROLLBACK")
        archive.close()
    await held
    assert {answer.status_code for answer in await asyncio.gather(*reports)} == {200}
    assert await counts(texting, id) == {"sms": {"delivered": 1}}


@pytest.mark.parametrize("status", [2, 16, 34])
async def test_an_undeliverable_message_stays_sent_with_a_reason(
    texting: Running, kannel: HttpServer, status: int
) -> None:
    id, request = await sent(texting, kannel)
    for _ in range(2):
        answer = await report(texting, request, status)
        assert (answer.status_code, answer.json()) == (200, {"status": "sent"})
    assert await delivery(texting, id) == (
        "sent",
        "the gateway reports that it cannot be delivered",
    )
    assert await counts(texting, id) == {"sms": {"sent": 1}}
    # A report that it arrived after all is the last word.
    await report(texting, request, 1)
    assert await delivery(texting, id) == ("delivered", None)
    await report(texting, request, status)
    assert await delivery(texting, id) == ("delivered", None)
    assert await counts(texting, id) == {"sms": {"delivered": 1}}


@pytest.mark.parametrize("status", [0, 4, 8])
async def test_an_intermediate_report_changes_nothing(
    texting: Running, kannel: HttpServer, status: int
) -> None:
    id, request = await sent(texting, kannel)
    answer = await report(texting, request, status)
    assert (answer.status_code, answer.json()) == (200, {"status": "sent"})
    assert await delivery(texting, id) == ("sent", None)


async def test_a_forged_token_is_not_found(texting: Running, kannel: HttpServer) -> None:
    id, request = await sent(texting, kannel, TO, OTHER)
    path = report_path(request).replace("%d", "1")
    delivery_id, token = path.partition("?")[0].split("/")[-2:]
    another = report_path(kannel.requests[-2]).partition("?")[0].split("/")[-1]
    forged = [another, token[:-1], f"{token}0", token.upper(), "é" * 32, "0" * 32]
    answers = [await texting.anonymous.get(path.replace(token, wrong)) for wrong in forged]
    unknown = path.replace(delivery_id, str(UUIDv7(lambda: 1_800_000_000_000)()))
    answers.append(await texting.anonymous.get(unknown))
    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert await counts(texting, id) == {"sms": {"sent": 2}}


async def test_a_report_to_a_url_of_a_previous_secret_key_counts(
    texting: Running, kannel: HttpServer
) -> None:
    id, request = await sent(texting, kannel)
    secret = texting.service.secret
    before, secret.key = secret.key, b"n" * 32
    assert (await report(texting, request, 1)).status_code == 404
    secret.previous = [b"o" * 32, before]
    assert (await report(texting, request, 1)).status_code == 200
    assert await delivery(texting, id) == ("delivered", None)


async def test_head_reports_nothing(texting: Running, kannel: HttpServer) -> None:
    id, request = await sent(texting, kannel)
    answer = await texting.anonymous.head(report_path(request).replace("%d", "1"))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert await delivery(texting, id) == ("sent", None)


async def test_a_purged_delivery_is_not_found(texting: Running) -> None:
    """Its token stays valid after retention has purged it."""
    gone = str(UUIDv7(lambda: 1_800_000_000_000)())
    token = texting.service.secret.token(f"kannel {gone}")
    answer = await texting.anonymous.get(f"/v1/receipts/kannel/{gone}/{token}?status=1")
    assert answer.status_code == 404


@pytest.mark.parametrize("status", ["", "%25d", "one", "-1"])
async def test_an_invalid_report_is_refused(
    texting: Running, kannel: HttpServer, status: str
) -> None:
    id, request = await sent(texting, kannel)
    answer = await texting.anonymous.get(report_path(request).replace("%d", status))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/status"
    assert await delivery(texting, id) == ("sent", None)


async def test_a_report_that_overtakes_the_result_waits_for_it(
    texting: Running, kannel: HttpServer, clock: ManualClock
) -> None:
    go = asyncio.Event()

    async def accept(request: Received) -> Reply:
        await go.wait()
        return Reply(202, "0: Accepted for delivery")

    kannel.usual = accept
    id = await texting.send(to=[TO], channels=["sms"])
    await eventually(lambda: bool(kannel.requests))
    early = asyncio.create_task(report(texting, kannel.requests[0], 1))
    for _ in range(10):
        await counts(texting, id)
        await clock.advance(0.1)
    assert not early.done()
    go.set()
    await texting.completed(id)
    while not early.done():
        await clock.advance(0.1)
    assert (await early).json() == {"status": "delivered"}
    assert await counts(texting, id) == {"sms": {"delivered": 1}}


async def test_a_report_that_is_much_too_early_is_refused_with_retry_after(
    texting: Running, kannel: HttpServer, clock: ManualClock
) -> None:
    kannel.next(HANG)
    id = await texting.send(to=[TO], channels=["sms"])
    await eventually(lambda: bool(kannel.requests))
    early = asyncio.create_task(report(texting, kannel.requests[0], 1))
    while not early.done():
        await clock.advance(0.1)
    answer = await early
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert await counts(texting, id) == {"sms": {"queued": 1}}
