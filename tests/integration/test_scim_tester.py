"""scim2-tester against the SCIM endpoints."""

import asyncio
from typing import Any

import httpx
from scim2_client import BaseSyncSCIMClient
from scim2_models import ScimProvider
from scim2_tester import Status, check_server

from tests.support.running import Running

BASE = "http://localhost:8000/scim/v2"


class InProcess(BaseSyncSCIMClient):
    """Calls the service from a thread, while it runs in the loop of the test."""

    def __init__(self, http: httpx.AsyncClient, headers: dict[str, str]) -> None:
        super().__init__(provider=ScimProvider())
        self._http, self._headers = http, headers
        self._loop = asyncio.get_running_loop()

    def request(self, method: str, url: str, **kwargs: Any) -> Any:
        headers = {**self._headers, **kwargs.pop("headers", {})}
        path = "/scim/v2/" + url.removeprefix(BASE).lstrip("/")
        calling = self._http.request(method, path, headers=headers, **kwargs)
        return asyncio.run_coroutine_threadsafe(calling, self._loop).result(20)

    def _parse_json(self, response: Any) -> Any:
        return response.json()


async def test_the_tester_finds_nothing(service: Running) -> None:
    key = await service.key("people")
    client = InProcess(service.anonymous, key)
    results = await asyncio.to_thread(check_server, client)
    failed = [
        f"{result.title} {result.resource_type}: {result.reason}"
        for result in results
        if result.status not in (Status.SUCCESS, Status.SKIPPED)
    ]
    assert failed == []
    assert sum(result.status is Status.SUCCESS for result in results) > 50
