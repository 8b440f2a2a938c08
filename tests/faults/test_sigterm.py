"""SIGTERM: no more is accepted, what is in hand is finished or left for later, the process ends."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.faults.archive import copy_of, ids
from tests.faults.ledger import MailLedger
from tests.faults.serving import serving
from tests.support.manual_clock import ManualClock
from tests.support.running import ACADEMIC
from tests.support.serve_process import ServeProcess
from tests.support.watching import all_completed, completed, logged, refused

DRAIN = 2
# Seconds beyond it, on a busy machine, to close and to end.
A_LITTLE = 6.0


class SlowRequest:
    """Send a POST whose body never ends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, serve: ServeProcess, key: dict[str, str]) -> "SlowRequest":
        """Send all but the last byte."""
        request = cls(*await asyncio.open_connection("127.0.0.1", serve.port))
        body = json.dumps(ACADEMIC).encode()
        headers = {"Host": "test", "Content-Length": str(len(body)), "Expect": "100-continue"} | key
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request.writer.write(f"POST /v1/notifications HTTP/1.1\r\n{head}\r\n".encode())
        # It asks for the body, and so is in the middle of reading it.
        assert b"100" in await request.reader.readuntil(b"\r\n\r\n")
        request.writer.write(body[:-1])
        await request.writer.drain()
        request._rest = body[-1:]
        return request

    _rest = b""

    def finish(self) -> None:
        """Send the last byte."""
        self.writer.write(self._rest)

    async def answer(self) -> bytes:
        """Return everything received until the connection is closed."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""
        finally:
            self.writer.close()


async def _post_until_refused(
    serve: ServeProcess, key: dict[str, str], number: int
) -> tuple[list[str], str]:
    """Post without pause; return the accepted ids and the error that ended it."""
    accepted: list[str] = []
    async with httpx.AsyncClient(base_url=serve.url, trust_env=False, timeout=30) as http:
        while True:
            to = [f"mailto:c{number}-{len(accepted)}@univ.example"]
            try:
                answer = await http.post(
                    "/v1/notifications", json=ACADEMIC | {"to": to}, headers=key
                )
            except httpx.TransportError as error:
                return accepted, type(error).__name__
            if answer.status_code != 202:
                assert answer.status_code == 503, answer.text
                assert "Retry-After" in answer.headers
                return accepted, "503"
            accepted.append(answer.json()["id"])


async def test_under_load_with_a_slow_request_and_a_hanging_server(tmp_path: Path) -> None:
    async with (
        MailLedger() as mail,
        ServeProcess(tmp_path, EMAIL_URL=mail.url, DRAIN_SECONDS=str(DRAIN)) as serve,
    ):
        key = await serve.key("notify:*")
        mail.hangs = True
        stuck = ["mailto:hang1@univ.example", "mailto:hang2@univ.example"]
        answer = await serve.admin.post("/v1/notifications", json=ACADEMIC | {"to": stuck})
        accepted = [answer.json()["id"]]
        for _ in stuck:
            await mail.hung.get()
        slow = await SlowRequest.open(serve, key)
        posting = [asyncio.create_task(_post_until_refused(serve, key, n)) for n in range(4)]
        await mail.until_taken(50)

        began = time.monotonic()
        serve.signal(signal.SIGTERM)
        await logged(serve, "serve.stopping")
        # Impatience changes nothing.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            serve.signal(number)
        for ids_accepted, _ in await asyncio.gather(*posting):
            accepted += ids_accepted
        assert serve.code is None, "it ended before what hangs had its time"
        assert await serve.wait() == 0, serve.stderr
        assert time.monotonic() - began < DRAIN + A_LITTLE
        broken_off = await slow.answer()
        assert broken_off.startswith(b"HTTP/1.1 503 "), broken_off
        assert b"application/problem+json" in broken_off

        await mail.quiet()
        first = list(mail.taken)
        with copy_of(serve.archive) as archive:
            assert set(accepted) <= set(ids(archive, "SELECT id FROM notifications"))
            # All that the server has taken is known to be sent: outcomes were flushed.
            sent = ids(archive, "SELECT id FROM deliveries WHERE status = 'sent'")
            assert sorted(sent) == sorted(delivery for delivery, _ in first)

        mail.hangs = False
        await serve.start()
        await all_completed(serve)
        assert await serve.terminate() == 0
    deliveries = [delivery for delivery, _ in mail.taken]
    assert len(set(deliveries)) == len(deliveries) == len(accepted) + 1  # one was for two


async def test_an_open_event_stream_ends_first(tmp_path: Path) -> None:
    """Otherwise it would delay the end by the timeout of requests."""
    async with ServeProcess(tmp_path, DRAIN_SECONDS="50") as serve:
        async with serve.admin.stream("GET", "/v1/events") as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ": still here"
            began = time.monotonic()
            serve.signal(signal.SIGTERM)
            # It comes to its end, rather than being broken off.
            assert [line async for line in lines][-1] == ""
        assert await serve.wait() == 0, serve.stderr
        assert time.monotonic() - began < A_LITTLE


async def test_a_slow_request_at_shutdown_is_answered_with_retry_after(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path, DRAIN_SECONDS="50") as serve:
        slow = await SlowRequest.open(serve, await serve.key("notify:*"))
        serve.signal(signal.SIGTERM)
        await logged(serve, "serve.stopping")
        await refused(serve)
        slow.finish()
        answer = await slow.answer()
        assert answer.startswith(b"HTTP/1.1 503 "), answer
        assert b"retry-after: " in answer.lower()
        # Nobody else is there to wait for.
        assert await serve.wait(within=A_LITTLE) == 0
        with copy_of(serve.archive) as archive:
            assert ids(archive, "SELECT id FROM notifications") == []


async def test_a_message_in_progress_gets_time_to_finish_on_sigterm(tmp_path: Path) -> None:
    async with (
        MailLedger() as mail,
        ServeProcess(tmp_path, EMAIL_URL=mail.url, DRAIN_SECONDS="50") as serve,
    ):
        to = {"to": ["mailto:slow@univ.example"]}
        await serve.admin.post("/v1/notifications", json=ACADEMIC | to)
        await mail.until_taken(1)
        serve.signal(signal.SIGTERM)
        await refused(serve)
        mail.release.set()
        assert await serve.wait(within=A_LITTLE) == 0
        with copy_of(serve.archive) as archive:
            assert ids(archive, "SELECT id FROM deliveries WHERE status <> 'sent'") == []
            assert ids(archive, "SELECT id FROM notifications WHERE status <> 'completed'") == []


async def test_kept_connections_to_a_server_that_went_silent_do_not_hold_it(tmp_path: Path) -> None:
    async with (
        MailLedger() as mail,
        ServeProcess(tmp_path, EMAIL_URL=mail.url, DRAIN_SECONDS=str(DRAIN)) as serve,
    ):
        to = [f"mailto:r{n}@univ.example" for n in range(200)]
        answer = await serve.admin.post("/v1/notifications", json=ACADEMIC | {"to": to})
        await completed(serve, answer.json()["id"])
        assert mail.connections > DRAIN + A_LITTLE
        mail.silent = True
        began = time.monotonic()
        assert await serve.terminate() == 0
        assert time.monotonic() - began < DRAIN + A_LITTLE


async def test_signals_are_held_until_all_is_written(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(ServiceConfig(), clock)
    close, seen = service.close, []

    async def closing() -> None:
        seen.append(signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL)
        seen.append(signal.getsignal(signal.SIGINT) is not signal.default_int_handler)
        await close()

    monkeypatch.setattr(service, "close", closing)
    async with serving(service) as served:
        os.kill(os.getpid(), signal.SIGTERM)
        assert await served.ended == 0
    assert seen == [True, True]
