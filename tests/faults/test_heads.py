"""Requests whose head has no end: too large, or too slow."""

import asyncio
from urllib.parse import urlsplit

import httpx
import pytest

from flashnotify.app import Service
from flashnotify.cli.http_protocol import TIMEOUTS, State
from flashnotify.settings import ServiceConfig
from tests.faults.serving import Serving, serving
from tests.support.running import ACADEMIC


async def answer_to(service: Serving, request: bytes, more: bytes = b"") -> bytes:
    """Send `more` repeatedly until the connection ends; return the response."""
    address = urlsplit(str(service.http.base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    answer = asyncio.create_task(reader.read())
    try:
        writer.write(request)
        while more and not answer.done():
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(0)
        return await answer
    except ConnectionError:
        return b"" if not answer.done() or answer.exception() else answer.result()
    finally:
        writer.close()


BEGIN = b"POST /v1/notifications HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("request_", "more"),
    [
        (BEGIN, b"a: b\r\n" * 1000),
        (BEGIN + b"a: ", b"b" * 8192),
        (b"GET /", b"x" * 8192),
        (b"", b"\r\n" * 4096),
        (
            BEGIN + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
            b"trailer: without end\r\n" * 1000,
        ),
    ],
    ids=["headers", "one header", "URL", "line ends", "trailers"],
)
async def test_a_head_without_end_is_broken_off(request_: bytes, more: bytes) -> None:
    async with serving(Service(ServiceConfig())) as service:
        answer = await answer_to(service, request_, more)
        assert answer == b"" or answer[9:12] in (b"431", b"414", b"401")
        assert (await service.http.get("/healthz")).status_code == 200


async def test_a_head_within_the_bound_is_read() -> None:
    async with serving(Service(ServiceConfig())) as service:
        headers = {f"x-{number}": "v" * 1000 for number in range(50)}
        assert (await service.http.get("/healthz", headers=headers)).status_code == 200
        body = ACADEMIC | {"body": "x" * 60_000}
        answer = await service.admin.post("/v1/notifications", json=body)
        assert answer.status_code == 202


async def test_a_head_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TIMEOUTS, State.head, 0.3)
    async with (
        serving(Service(ServiceConfig())) as service,
        service.admin.stream("GET", "/v1/events") as stream,
    ):
        silent, half, second = await asyncio.gather(
            answer_to(service, b""),
            answer_to(service, BEGIN),
            answer_to(service, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /heal"),
        )
        assert silent.startswith(b"HTTP/1.1 408 ")
        assert half.startswith(b"HTTP/1.1 408 ")
        assert second.startswith(b"HTTP/1.1 200 ")
        # What has been asked may take as long as it likes to be answered.
        await service.admin.post("/v1/notifications", json=ACADEMIC)
        lines = stream.aiter_lines()
        while "event: notification" not in await anext(lines):
            pass


async def test_a_connection_that_is_kept_takes_one_request_after_another() -> None:
    async with serving(Service(ServiceConfig())) as service:
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(base_url=service.http.base_url, limits=limits) as http:
            for _ in range(3):
                assert (await http.get("/healthz")).status_code == 200


@pytest.mark.parametrize("target", [b"*", b"//", b"x"])
@pytest.mark.parametrize("accept", [b"text/html", b"*/*"])
async def test_a_target_that_is_no_path_is_refused(target: bytes, accept: bytes) -> None:
    """`OPTIONS *` asks about the server as a whole (RFC 9110, section 9.3.7)."""
    async with serving(Service(ServiceConfig())) as service:
        head = b"OPTIONS %s HTTP/1.1\r\nHost: x\r\nAccept: %s\r\nConnection: close\r\n\r\n"
        answer = await answer_to(service, head % (target, accept))
        assert answer[9:12] in (b"400", b"404", b"405"), answer
