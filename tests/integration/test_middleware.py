"""What holds for every endpoint: HEAD, bounded queries, bounded memory for bodies."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.support.running import ACADEMIC, Running, running


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/v1/notifications", "/docs", "/v1/events"]
)
async def test_head_is_get_without_a_body(service: Running, path: str) -> None:
    answer = await service.http.head(path)
    assert answer.status_code == 200
    assert answer.content == b""
    if path != "/v1/events":
        expected = await service.http.get(path)
        assert answer.headers["content-type"] == expected.headers["content-type"]
        assert answer.headers["content-length"] == str(len(expected.content))


async def test_head_needs_a_key_and_a_get(service: Running) -> None:
    assert (await service.anonymous.head("/v1/notifications")).status_code == 401
    assert (await service.http.head("/v1/notifications/batch")).status_code == 405


async def test_a_query_has_a_bounded_number_of_parameters(service: Running) -> None:
    answer = await service.anonymous.get("/v1/stats?" + "&".join(f"x{n}" for n in range(501)))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "too_many"


async def test_memory_for_bodies_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    config = ServiceConfig(max_batch_bytes=1024 * 1024)
    held, go_on = asyncio.Event(), asyncio.Event()
    waiting = 0

    async def slow() -> AsyncIterator[bytes]:
        nonlocal waiting
        yield b"[" + b" " * (1024 * 1024 - 10)
        waiting += 1
        if waiting == 4:
            held.set()
        await go_on.wait()
        yield b"]"

    path = "/v1/notifications/batch"
    async with running(Service(config)) as service:
        requests = [asyncio.create_task(service.http.post(path, content=slow())) for _ in range(4)]
        await held.wait()
        large = b"[" + b" " * 200_000 + b"]"
        refused = await service.http.post(path, content=large)
        assert (refused.status_code, refused.json()["code"]) == (503, "too_many_bodies")
        assert "retry-after" in refused.headers
        # Small ones are accepted meanwhile.
        assert (await service.http.post("/v1/notifications", json=ACADEMIC)).status_code == 202
        go_on.set()
        assert [answer.status_code for answer in await asyncio.gather(*requests)] == [202] * 4
        assert (await service.http.post(path, content=large)).status_code == 202
