"""Chat: destinations that the settings name, over Apprise, each on its own."""

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.channels.chat import taken_answers
from flashnotify.channels.chat.channel import ChatMixin
from flashnotify.errors import SettingsError
from flashnotify.meta import Notifier, Priority, Templates, Wording
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec, TemplatesSpec
from flashnotify.settings import ServiceConfig
from tests.support.eventually import eventually
from tests.support.http_server import HANG, HttpServer, Reply
from tests.support.manual_clock import ManualClock
from tests.support.raw_servers import listening
from tests.support.running import Running, running

KINDS: Registry[NotifierSpec] = Registry("kind")
WORDINGS: Registry[TemplatesSpec] = Registry("template set")
TOKEN = "correct-horse-battery-staple"


class OutageNotifier(ChatMixin, Notifier, registry=KINDS):
    """Something does not work."""

    priority = Priority(default="high")


class OutageTemplates(Templates, of=OutageNotifier, registry=WORDINGS):
    """One line each."""

    en = Wording(push_title="Outage: {{ title }}", text="{{ body }}")


OUTAGE = {"kind": "outage", "title": "Mail", "body": "Le courriel est arrêté.", "data": {}}

Serve = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    """Run the server of the destination `it-team`."""
    async with HttpServer() as started:
        yield started


@pytest.fixture
async def other() -> AsyncIterator[HttpServer]:
    """Run the server of the destination `security`."""
    async with HttpServer() as started:
        yield started


@pytest.fixture
def serve(
    monkeypatch: pytest.MonkeyPatch, server: HttpServer, other: HttpServer, clock: ManualClock
) -> Serve:
    """Return a function that runs a service with two destinations and other settings."""

    def make(**settings: object) -> AbstractAsyncContextManager[Running]:
        urls = (
            f"it-team=json://bot:{TOKEN}@{server.host}/{TOKEN}?-key={TOKEN}",
            f"security=json://bot:{TOKEN}@{other.host}/{TOKEN}",
        )
        for name, value in {"CHAT_URLS": " ".join(urls), **settings}.items():
            monkeypatch.setenv(f"FLASHNOTIFY_{name}", str(value))
        return running(Service(ServiceConfig(), clock, KINDS, WORDINGS))

    return make


async def deliver(service: Running, to: str) -> Any:
    """Send to `to`, and return the delivery once it is final."""
    id = await service.send(**OUTAGE, to=[to])
    await service.completed(id)
    (delivery,) = (await service.get(f"/v1/notifications/{id}/deliveries"))["items"]
    return delivery


async def attempts(service: Running, id: str, number: int) -> list[Any]:
    """Return the attempts at a notification's only delivery, once there are `number`."""
    found = await service.until(
        f"/v1/notifications/{id}/deliveries",
        lambda shown: shown["items"] and shown["items"][0]["attempt_count"] >= number,
    )
    attempts: list[Any] = found["items"][0]["attempts"]
    return attempts


@pytest.mark.parametrize(
    "answer",
    [
        b"Content-Length: 400\r\n\r\nfine",
        b"a line without a colon\r\nContent-Length: 4\r\n\r\nfine",
        b"Content-Length: 4\r\nContent-Length: 9\r\n\r\nfine",
        b"Transfer-Encoding: chunked\r\n\r\n4\r\nfine\r\nzz\r\nmore",
        b"Transfer-Encoding: chunked\r\n\r\nfine",
        b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nfine",
        b"X: y" * 20_000 + b"\r\n\r\nfine",
    ],
)
async def test_a_2xx_that_is_broken_means_taken(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    """The message must not come again because of what follows the status line."""
    monkeypatch.setattr(taken_answers, "_SECONDS", 0.1)
    requests: list[bytes] = []

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n" + answer)
        await reader.read()
        writer.close()

    async with (
        listening(answered) as port,
        serve(CHAT_URLS=f"a=json://127.0.0.1:{port}/") as service,
    ):
        delivery = await deliver(service, "chat:a")
    assert (delivery["status"], delivery["attempt_count"], len(requests)) == ("sent", 1, 1)


async def test_only_the_named_destination_gets_the_message(
    serve: Serve, server: HttpServer, other: HttpServer
) -> None:
    async with serve() as service:
        delivery = await deliver(service, "chat:it-team")
        assert not other.requests
        await deliver(service, "chat:security")
    assert delivery["status"] == "sent"
    (attempt,) = delivery["attempts"]
    assert attempt["transport"] == "json://it-team"
    assert "Sent JSON" in attempt["answer"]
    assert len(other.requests) == 1
    (request,) = server.requests
    document = json.loads(request.body)
    assert document["title"] == "Outage: Mail"
    assert document["message"] == "Le courriel est arrêté."
    assert document["type"] == "warning"


async def test_an_unknown_destination_is_refused_with_the_known_names(serve: Serve) -> None:
    async with serve() as service:
        answer = await service.http.post(
            "/v1/notifications", json=OUTAGE | {"to": ["chat:nobody", "chat:it-team"]}
        )
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/to/0"
    assert error["code"] == "unknown_destination"
    assert "it-team, security" in error["detail"]
    assert TOKEN not in answer.text


async def test_a_url_is_not_a_destination(serve: Serve, server: HttpServer) -> None:
    async with serve() as service:
        answer = await service.http.post(
            "/v1/notifications", json=OUTAGE | {"to": [f"chat:json://{server.host}"]}
        )
    assert answer.status_code == 422
    assert not server.requests


async def test_the_wording_of_a_refusal_is_kept(
    serve: Serve, server: HttpServer, clock: ManualClock
) -> None:
    server.next(Reply(503, f"la boîte est pleine ({TOKEN})"))
    async with serve() as service:
        id = await service.send(**OUTAGE, to=["chat:it-team"])
        (refused,) = await attempts(service, id, 1)
        await clock.advance(60)
        await service.completed(id)
        _, sent = await attempts(service, id, 2)
    assert refused["outcome"] == "retryable"
    assert "error=503. la boîte est pleine (***)" in refused["answer"]
    assert sent["outcome"] == "sent"


async def test_a_hanging_destination_delays_no_other(
    serve: Serve, server: HttpServer, other: HttpServer
) -> None:
    server.next(*[HANG] * 20)
    async with serve(CHAT_TIMEOUT=50, THREADS=4, WORKERS=8) as service:
        stuck = [await service.send(**OUTAGE, to=["chat:it-team"]) for _ in range(6)]
        await eventually(lambda: len(server.requests) == 2)
        for _ in range(5):
            assert (await deliver(service, "chat:security"))["status"] == "sent"
        # None of those that hang has come to its time-out meanwhile.
        for id in stuck:
            shown = await service.get(f"/v1/notifications/{id}/deliveries")
            assert not shown["items"] or not shown["items"][0]["attempts"]
        assert len(other.requests) == 5
        await server.stop()


async def test_each_destination_has_its_own_breaker(
    serve: Serve, server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The clock stands still, so nothing is retried, unless the jitter makes the wait zero.
    monkeypatch.setattr("random.random", lambda: 1.0)
    server.next(*[Reply(500)] * 5)
    async with serve() as service:
        for _ in range(5):
            id = await service.send(**OUTAGE, to=["chat:it-team"])
            await attempts(service, id, 1)
        ready = await service.ready()
        assert ready["status"] == "degraded"
        assert ready["parts"]["chat"] == "degraded"
        states = {t["name"]: t["state"] for t in ready["transports"] if t["channel"] == "chat"}
        assert states == {"json://it-team": "failing", "json://security": "ok"}
        assert (await deliver(service, "chat:security"))["status"] == "sent"
        metrics = (await service.http.get("/metrics")).text
    label = 'flashnotify_breaker_open{channel="chat",transport="json'
    assert f'{label}"}} 1.0' in metrics
    assert f'{label} 2"}} 0.0' in metrics
    assert len(server.requests) == 5


async def test_nothing_shows_the_url_or_the_message(
    serve: Serve,
    server: HttpServer,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("INFO")
    caplog.set_level("DEBUG", logger="apprise")
    async with serve() as service:
        await deliver(service, "chat:it-team")
        await server.stop()
        id = await service.send(**OUTAGE, to=["chat:it-team"])
        await attempts(service, id, 1)
        pages = [
            (await service.http.get(path)).text
            for path in (
                "/readyz",
                "/metrics",
                "/v1/channels",
                f"/v1/notifications/{id}/deliveries",
            )
        ]
    assert not [record for record in caplog.records if record.name == "apprise"]
    shown = [*pages, caplog.text, *capsys.readouterr()]
    assert not [text for text in shown if TOKEN in text or server.host in text]
    assert not [text for text in shown[len(pages) :] if "courriel" in text]


async def test_capture_can_be_a_destination(serve: Serve) -> None:
    async with serve(CHAT_URLS="it-team=capture:// security=capture://") as service:
        delivery = await deliver(service, "chat:security")
        (message,) = (await service.get("/v1/outbox"))["items"]
        ready = await service.ready()
    assert delivery["attempts"][0]["transport"] == "capture://security"
    assert (message["to"], message["subject"]) == ("security", "Outage: Mail")
    names = {transport["name"] for transport in ready["transports"]}
    assert {"capture://it-team", "capture://security"} <= names


async def test_lost_threads_show_in_readiness_and_metrics(serve: Serve) -> None:
    gate = threading.Event()
    async with serve() as service:
        threads = service.service.threads
        with pytest.raises(TimeoutError):
            await threads.run(gate.wait, within=1)
        ready = await service.ready()
        assert (ready["status"], ready["parts"]["threads"]) == ("degraded", "1 lost")
        busy = asyncio.create_task(threads.run(gate.wait, within=60))
        await service.until("/readyz", lambda _: threads.busy == 1)
        metrics = (await service.http.get("/metrics")).text
        assert "flashnotify_threads_lost 1.0" in metrics
        assert "flashnotify_threads_busy 1.0" in metrics
        assert 'flashnotify_threads_depth{lane="low"} 0.0' in metrics
        gate.set()
        await busy
        await service.until("/readyz", lambda shown: shown["status"] == "ok")


@pytest.mark.parametrize("url", [f"nosuch://{TOKEN}/", f"slack://{TOKEN}", f"json://b:{TOKEN}@"])
def test_a_url_unknown_to_apprise_prevents_start(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_CHAT_URLS", f"it-team=capture:// security={url}")
    with pytest.raises(SettingsError, match="FLASHNOTIFY_CHAT_URLS: the URL of security ") as error:
        Service(ServiceConfig())
    assert TOKEN not in str(error.value)
    assert "it-team=msteams://" in str(error.value)


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.setenv("FLASHNOTIFY_CHAT_URLS", f"it-team=json://{TOKEN}/")
    with pytest.raises(SettingsError, match=r"python\S* -m pip install -e '\.\[chat\]'") as error:
        Service(ServiceConfig())
    assert TOKEN not in str(error.value)
    # Without a destination that needs it, nobody needs it.
    monkeypatch.setenv("FLASHNOTIFY_CHAT_URLS", "it-team=capture://")
    Service(ServiceConfig())
