"""The HTTP client of transports, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import string
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
import uvloop
from pydantic import SecretStr

from flashnotify.channels.net.answers import raise_for_status
from flashnotify.channels.net.http_transport import HttpTransport
from flashnotify.channels.transport import Content, Resources
from flashnotify.channels.url import TransportURL
from flashnotify.domain import Sent
from flashnotify.errors import (
    Misconfigured,
    Rejected,
    Retryable,
    Throttled,
    TransportError,
    Unreachable,
    Unsendable,
)
from tests.support.certificates import Authority
from tests.support.eventually import eventually
from tests.support.http_server import (
    DROP,
    ENDLESS,
    GARBAGE,
    HANG,
    HANG_HALF,
    HttpServer,
    Reply,
)
from tests.support.manual_clock import ManualClock
from tests.support.raw_servers import listening, raw_http


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer(Reply(200, "fine")) as started:
        yield started


class HttpClient(HttpTransport[Content]):
    """A transport that only makes the requests of the tests."""

    def __init__(self, timeout: float = 30) -> None:
        config: Any = SimpleNamespace(connections=4, timeout=timeout)
        nothing: Any = None
        resources = Resources(ManualClock(), nothing, nothing, Path, "http://test", str)
        super().__init__(TransportURL(SecretStr("http://test")), config, resources)

    async def send(self, content: Content) -> Sent:
        raise AssertionError("the tests make the requests themselves")


@pytest.fixture
async def client(clock: ManualClock) -> AsyncIterator[HttpClient]:
    made = HttpClient()
    yield made
    await made.close()


async def answered(client: HttpClient, server: HttpServer, reply: Reply) -> TransportError | None:
    """Return the meaning of a response's status."""
    server.next(reply)
    answer = await client.request("POST", server.url)
    try:
        raise_for_status(answer, ManualClock().now())
    except TransportError as error:
        return error
    return None


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_success_passes(client: HttpClient, server: HttpServer, status: int) -> None:
    assert await answered(client, server, Reply(status)) is None


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (Retryable, [408, 425]),
        (Throttled, [429]),
        (Unreachable, [500, 501, 502, 503, 504, 599]),
        (Misconfigured, [301, 302, 304, 307, 308, 401, 403, 407]),
        (Rejected, [400, 404, 405, 410, 413, 422, 451]),
    ],
)
async def test_statuses_map_to_errors(
    client: HttpClient, server: HttpServer, kind: type[TransportError], statuses: list[int]
) -> None:
    for status in statuses:
        error = await answered(client, server, Reply(status, headers={"Location": server.url}))
        assert type(error) is kind, status
    # No redirect was followed.
    assert len(server.requests) == len(statuses)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("1.5", 1.5),
        ("1.", None),
        ("1.5.5", None),
        ("99999999999999999999", None),
        ("999999999", 86_400),
        # The clock says 2027-01-15 08:00:00 UTC.
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30),
        ("Fri, 15 Jan 2027 09:00:30 +0100", 30),
        ("Fri, 15 Jan 2027 08:00:30 -0000", 30),
        ("Fri, 15 Jan 2027 07:59:30 GMT", 0),
        ("Fri, 15 Jan 2100 08:00:00 GMT", 86_400),
        ("Fri, 15 Jan 2027 08:00:30 +99999999999999999", None),
        ("soon", None),
        ("-5", None),
        ("²", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_parsed(
    client: HttpClient, server: HttpServer, value: str, seconds: float | None, status: int
) -> None:
    error = await answered(client, server, Reply(status, headers={"Retry-After": value}))
    assert isinstance(error, Retryable)
    assert error.after == seconds


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain; charset=hex"},
        {"Content-Type": "text/plain; charset=no-such"},
        {"Content-Type": "text/plain; charset=utf-16"},
        {"Content-Encoding": "gzip"},
    ],
)
async def test_text_is_kept_whatever_its_declared_encoding(
    client: HttpClient, server: HttpServer, headers: dict[str, str]
) -> None:
    error = await answered(client, server, Reply(400, "déjà\r\n\tvu \x00", headers))
    assert error is not None
    assert error.reason.startswith("400 déjà vu")
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


async def test_undecodable_bytes_do_no_harm(client: HttpClient, server: HttpServer) -> None:
    compressed = Reply(400, gzip.compress(b"x" * 1000), {"Content-Encoding": "gzip"})
    error = await answered(client, server, compressed)
    assert error is not None
    assert error.reason.encode()


async def test_a_hang_times_out(server: HttpServer) -> None:
    client = HttpClient(timeout=0.3)
    server.next(HANG)
    with pytest.raises(Unreachable, match=r"no answer within 0\.3 s"):
        await client.request("GET", server.url)
    await eventually(lambda: server.open == 0)
    await client.close()


async def test_the_timeout_covers_the_body_too(server: HttpServer) -> None:
    client = HttpClient(timeout=0.3)
    server.next(HANG_HALF)
    answer = await client.request("POST", server.url)
    assert (answer.status_code, answer.text) == (200, "half an answer")
    await eventually(lambda: server.open == 0)
    await client.close()


@asynccontextmanager
async def answering(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """Run a server that answers each connection as given, and return its URL."""
    async with listening(answer) as port:
        yield f"http://127.0.0.1:{port}"


async def test_endless_interim_responses_are_not_read(client: HttpClient) -> None:
    """Each arrives in time, and they would keep the event loop busy."""

    async def interim(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n" * 100)
            await writer.drain()
            await asyncio.sleep(0)

    async with answering(interim) as url:
        with pytest.raises(Unreachable, match="interim answers"):
            await client.request("GET", url)


async def test_a_response_may_follow_interim_ones(client: HttpClient) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()

    async with answering(answer) as url:
        assert (await client.request("GET", url)).status_code == 204


@asynccontextmanager
async def writing(
    *, head: bytes = b"", forever: bytes = b"", close: bool = True
) -> AsyncIterator[str]:
    """Run a server that answers each request with `head`, then `forever` again and again."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(head)
            while forever:
                writer.write(forever)
                await writer.drain()
                await asyncio.sleep(0)
            if close:
                break

    async with answering(answer) as url:
        yield url


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"Content-Length: 100\r\n\r\nfine", "fine"),
        (b"Content-Length: 2\r\n\r\nfine", "fi"),
        (b"Content-Length: many\r\n\r\nfine", "fine"),
        (b"Content-Length: -4\r\n\r\nfine", "fine"),
        (b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nfine", "fine"),
        (b"a line without a colon\r\nContent-Length: 4\r\n\r\nfine", "fine"),
        (b"Name with spaces : x\r\n: nameless\r\n\x00\xff: y\r\n folded\r\n\r\nfine", "fine"),
        (b"Content-Length: 4\n\nfine", "fine"),
        (b"X: " + b"x" * 40_000 + b"\r\n\r\nfine", "fine"),
        (b"X: " + b"x" * 200_000, ""),
        (b"X: y\r\n" * 10_000, ""),
        (b"Transfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n", "fine"),
        (b"Transfer-Encoding: chunked\r\n\r\n4;x=y\nfine\n0\n\n", "fine"),
        (b"Transfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n", "fine"),
        (b"Transfer-Encoding: chunked\r\n\r\n4\r\nfine\r\nzz\r\nmore", "fine"),
        (b"Transfer-Encoding: chunked\r\n\r\nfine", ""),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n4\r\nfine\r\n0\r\n\r\n", "fine"),
        (b"Content-Encoding: gzip\r\n\r\nfine", "fine"),
        (b"Set-Cookie: a=b\r\nLocation: \xff\r\n\r\nfine", "fine"),
        (b"", ""),
        (b"X", ""),
    ],
)
async def test_nothing_read_after_the_status_undoes_it(
    client: HttpClient, answer: bytes, text: str
) -> None:
    for interim in (b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103\nno colon\n\n"):
        async with writing(head=interim + OK + answer) as url:
            got = await client.request("POST", url)
            assert (got.status_code, got.text) == (200, text)


@pytest.mark.parametrize(
    "line",
    [b"HTTP/1.1 202 ", b"HTTP/1.0 202 x\r\n", b"HTTP/1.1 202\n", b"\r\nHTTP/1.1  202 \xff\n"],
)
async def test_a_status_line_is_read_leniently(client: HttpClient, line: bytes) -> None:
    async with writing(head=line) as url:
        assert (await client.request("GET", url)).status_code == 202


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 20", b"HTTP/1.1 2000 OK\r\n", b"SMTP/1.1 200\r\n", b"200 OK\r\n"]
)
async def test_anything_else_is_not_http(client: HttpClient, line: bytes) -> None:
    async with writing(head=line) as url:
        with pytest.raises(Unreachable, match="the answer is not HTTP"):
            await client.request("GET", url)


@pytest.mark.parametrize(
    ("head", "forever"),
    [
        (OK, b"X: " + b"x" * 10_000),
        (OK, b"X: y\r\n" * 1000),
        (OK + b"\r\n", b"x" * 10_000),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1", b";extension" * 1000),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;extension\r\nx\r\n" * 1000),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 1000),
    ],
)
async def test_every_part_of_an_answer_is_bounded(
    client: HttpClient, head: bytes, forever: bytes
) -> None:
    """None of them waits for the timeout of the body."""
    async with asyncio.timeout(1.5), writing(head=head, forever=forever) as url:
        answer = await client.request("GET", url)
        assert answer.status_code == 200
        assert len(answer.body) <= 64 * 1024


async def test_a_status_line_is_bounded_too(client: HttpClient) -> None:
    async with writing(head=b"HTTP/1.1", forever=b" " * 1000) as url:
        with pytest.raises(Unreachable, match="the answer is not HTTP"):
            await client.request("GET", url)


async def test_a_body_that_never_ends_is_not_waited_for_long(client: HttpClient) -> None:
    """A gateway whose Content-Length is too long would hold every connection."""
    began = asyncio.get_running_loop().time()
    async with writing(head=OK + b"Content-Length: 9\r\n\r\nfine", close=False) as url:
        assert (await client.request("GET", url)).text == "fine"
    assert asyncio.get_running_loop().time() - began < 10


@pytest.mark.parametrize("late", [b"", b"HTTP/1.1 500 Late\r\nContent-Length: 0\r\n\r\n"])
async def test_what_comes_unasked_answers_no_request(client: HttpClient, late: bytes) -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK + b"Content-Length: 0\r\n\r\n" + late)

    async with answering(answer) as url:
        for _ in range(3):
            assert (await client.request("GET", url)).status_code == 200
    assert connections == (3 if late else 1)


@pytest.mark.parametrize(
    "target",
    [
        "/wpush?token=BQ%2bx%2fy%3d",
        "/a%2Fb/%7E;c='d'?e=f+g&&h==&i=%E9%2B%2b",
        "//double/./dots/../kept?x=[1]&y=|",
        "/?",
        "/%zz%",
        "/caf\u00e9 au lait",
    ],
)
async def test_urls_are_used_byte_for_byte(client: HttpClient, target: str) -> None:
    async with raw_http(b"{}") as server:
        await client.request("POST", f"http://127.0.0.1:{server.port}{target}")
        line = server.http[0].line.decode()
    assert line == f"POST {quote(target, safe=string.punctuation)} HTTP/1.1"


@pytest.mark.parametrize("text", ["a\r\nHost: other", "a\nb", "a\rb", "a\0b"])
async def test_a_header_never_becomes_two(
    client: HttpClient, server: HttpServer, text: str
) -> None:
    for headers in ({"Title": text}, {text: "title"}):
        with pytest.raises(Unsendable, match="CR, LF or NUL"):
            await client.request("POST", server.url, headers=headers)
    with pytest.raises(Unsendable, match="CR, LF or NUL"):
        await client.request(f"GET / HTTP/1.1\r\nX: {text}\r\n\r\nPOST", server.url)
    assert server.requests == []


async def test_a_url_without_a_path_asks_for_the_root(client: HttpClient) -> None:
    async with raw_http(b"{}") as server:
        for end in ("", "?a=%2b", "#part"):
            await client.request("GET", f"http://127.0.0.1:{server.port}{end}")
    assert [r.line for r in server.http] == [
        b"GET / HTTP/1.1",
        b"GET /?a=%2b HTTP/1.1",
        b"GET / HTTP/1.1",
    ]


async def test_only_the_kept_part_is_read(client: HttpClient, server: HttpServer) -> None:
    server.next(ENDLESS)
    answer = await client.request("GET", server.url)
    assert len(answer.body) == 64 * 1024
    await eventually(lambda: server.open == 0)


async def test_connections_are_reused(client: HttpClient, server: HttpServer) -> None:
    for _ in range(5):
        await client.request("GET", server.url)
    assert server.connections == 1


async def test_no_more_connections_than_allowed(client: HttpClient, server: HttpServer) -> None:
    await asyncio.gather(*(client.request("GET", server.url) for _ in range(40)))
    assert len(server.requests) == 40
    assert server.connections <= 4


async def test_another_protocol_is_reported(client: HttpClient, server: HttpServer) -> None:
    server.next(GARBAGE)
    with pytest.raises(Unreachable, match="the answer is not HTTP"):
        await client.request("GET", f"{server.url}?password=secret")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/?password=secret", "cannot connect to 127.0.0.1:1"),
        ("http://no-such-host.invalid/?password=secret", "cannot connect to no-such-host.invalid"),
        ("http://user:secret@127.0.0.1:99999/", "the URL cannot be used"),
        (f"http://{'secret' * 20}.example/", "the URL cannot be used"),
        ("http:///secret", "the URL cannot be used"),
    ],
)
async def test_errors_do_not_contain_the_url(client: HttpClient, url: str, words: str) -> None:
    with pytest.raises(Unreachable) as caught:
        await client.request("GET", url)
    assert caught.value.reason.startswith(words)
    assert "secret" not in caught.value.reason


async def test_a_closed_connection_is_retryable(client: HttpClient, server: HttpServer) -> None:
    server.next(DROP)
    with pytest.raises(Unreachable, match="closed the connection without an answer"):
        await client.request("POST", server.url)


async def test_proxies_in_the_environment_are_ignored(
    client: HttpClient, server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await client.request("GET", server.url)).text == "fine"


async def test_a_certificate_must_be_trusted(
    clock: ManualClock, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with HttpServer(Reply(200, "fine"), tls=authority.server()) as server:
        stranger = HttpClient()
        with pytest.raises(Misconfigured, match="certificate cannot be trusted"):
            await stranger.request("GET", server.url)
        await stranger.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
        friend = HttpClient()
        assert (await friend.request("GET", server.url)).text == "fine"
        await friend.close()


def test_works_on_uvloop() -> None:
    """The loop that `serve` runs on."""

    async def twice() -> int:
        async with HttpServer(Reply(200, "fine")) as server:
            client = HttpClient()
            for _ in range(2):
                assert (await client.request("POST", server.url, content=b"{}")).text == "fine"
            await client.close()
            return server.connections

    assert uvloop.run(twice()) == 1
