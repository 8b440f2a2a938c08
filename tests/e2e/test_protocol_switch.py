"""Clients that offer another protocol, as they come: their requests are served as HTTP/1.1."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.faults.serving import Serving, serving
from tests.support.eventually import eventually
from tests.support.nginx import nginx
from tests.support.running import ACADEMIC
from tests.support.system import requires_program

BODY = json.dumps(ACADEMIC)
# The body in a segment of its own, as HttpClient sends it without being told otherwise.
JAVA = """
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

class Send {
    public static void main(String[] given) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(given[0]))
            .header("Content-Type", "application/json")
            .header("Authorization", given[1])
            .POST(HttpRequest.BodyPublishers.ofString(given[2]))
            .build();
        var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        System.out.print(answer.version() + " " + answer.statusCode());
    }
}
"""


@pytest.fixture
async def serve() -> AsyncIterator[Serving]:
    async with serving(Service(ServiceConfig())) as service:
        yield service


async def authorization(service: Serving) -> str:
    wanted = {"name": "test", "scopes": ["notify:*"]}
    return f"Bearer {(await service.admin.post('/v1/api-keys', json=wanted)).json()['key']}"


async def output_of(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return out.decode()


async def accepted(service: Serving) -> list[str]:
    """Return the titles of all notifications."""
    items = (await service.admin.get("/v1/notifications")).json()["items"]
    return [item["title"] for item in items]


@requires_program("curl")
async def test_curl_offers_http2(serve: Serving) -> None:
    command = ["curl", "-s", "--http2", f"{serve.http.base_url}/v1/notifications", "--json", BODY]
    command += ["-H", f"Authorization: {await authorization(serve)}"]
    answer = await output_of(*command, "-w", " HTTP/%{http_version} %{http_code}")
    assert answer.endswith(" HTTP/1.1 202")
    assert await accepted(serve) == [ACADEMIC["title"]]


@requires_program("java")
async def test_java_offers_http2(serve: Serving, tmp_path: Path) -> None:
    source = tmp_path / "Send.java"
    source.write_text(JAVA)
    url = f"{serve.http.base_url}/v1/notifications"
    answer = await output_of("java", str(source), url, await authorization(serve), BODY)
    assert answer == "HTTP_1_1 202"
    assert await accepted(serve) == [ACADEMIC["title"]]


@requires_program("nginx")
async def test_nothing_hides_behind_nginx(
    serve: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head_came, complete = asyncio.Event(), HttpToolsProtocol.on_headers_complete
    connections: list[HttpToolsProtocol] = []

    def on_headers_complete(protocol: HttpToolsProtocol) -> None:
        complete(protocol)
        if protocol.url == b"/openapi.json":
            connections.append(protocol)
            head_came.set()

    monkeypatch.setattr(HttpToolsProtocol, "on_headers_complete", on_headers_complete)
    key = await authorization(serve)
    later = ACADEMIC | {"send_at": "2040-01-01T08:00:00Z"}
    href = (await serve.admin.post("/v1/notifications", json=later)).json()["href"]
    inner = f"POST {href}/cancel HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n"
    # Making this document takes a while, in which the body arrives, in a segment of its own.
    outer = (
        "GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
        f"Content-Length: {len(inner)}\r\n\r\n"
    )
    upstream = urlsplit(str(serve.http.base_url)).netloc
    async with nginx(tmp_path, upstream) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(outer.encode())
        await head_came.wait()
        writer.write(inner.encode())
        assert b" 200 " in await reader.readline()
        await reader.readuntil(b'"openapi"')
        writer.close()
    await eventually(lambda: not connections[0].tasks and not connections[0].pipeline)
    assert (await serve.admin.get(href)).json()["status"] == "scheduled"
