"""Behind a reverse proxy that serves us under a path: links lead there."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.faults.serving import serving
from tests.support.nginx import nginx
from tests.support.running import ACADEMIC, Running, running
from tests.support.system import requires_program

REPORTED = {"X-Forwarded-Prefix": "/notify"}


async def links(
    http: httpx.AsyncClient, prefix: str = "", headers: dict[str, str] | None = None
) -> list[str]:
    """Return every link in the answers to requests under a prefix."""
    docs = await http.get(f"{prefix}/docs", headers=headers)
    found = re.findall(r"""(?:src|href|url)(?:="|: ')([^"']+)""", docs.text)
    root = await http.get(f"{prefix}/", headers=headers)
    sent = await http.post(f"{prefix}/v1/notifications", json=ACADEMIC, headers=headers)
    listed = await http.get(f"{prefix}/v1/notifications", headers=headers)
    shown = [sent.json()["href"], listed.json()["items"][0]["href"]]
    return [*found, root.headers["location"], sent.headers["location"], *shown]


@pytest.mark.parametrize("stripped", [True, False])
async def test_links_have_the_path_of_the_public_url(stripped: bool) -> None:
    config = ServiceConfig(public_url="https://univ.example/notify/")
    async with running(Service(config)) as service:
        found = await links(service.http, "" if stripped else "/notify")
        assert len(found) == 8
        for link in found:
            assert link.startswith("/notify/")
            answer = await service.http.get(link if not stripped else link.removeprefix("/notify"))
            assert answer.status_code == 200, link
        document = (await service.http.get("/openapi.json")).json()
        assert document["servers"] == [{"url": "/notify"}]


async def test_a_trusted_proxy_reports_its_prefix(service: Running) -> None:
    assert all(link.startswith("/notify/") for link in await links(service.http, "", REPORTED))
    assert not any("notify/" in link for link in await links(service.http))
    assert "servers" not in (await service.http.get("/openapi.json")).json()


@pytest.mark.parametrize("prefix", ["//evil.example", "/a b", '/"', "http://evil.example", "/", ""])
async def test_what_is_no_prefix_is_ignored(service: Running, prefix: str) -> None:
    found = await links(service.http, "", {"X-Forwarded-Prefix": prefix})
    assert not any("evil" in link or link.startswith("//") for link in found)


async def test_strangers_have_no_say() -> None:
    config = ServiceConfig(trusted_proxies="192.0.2.0/24")
    async with running(Service(config)) as service:
        assert not any("notify/" in link for link in await links(service.http, "", REPORTED))


@requires_program("nginx")
async def test_behind_nginx(tmp_path: Path) -> None:
    async with serving(Service(ServiceConfig())) as serve:
        wanted = {"name": "test", "scopes": ["notify:*", "read"]}
        key = (await serve.admin.post("/v1/api-keys", json=wanted)).json()["key"]
        upstream = urlsplit(str(serve.http.base_url)).netloc
        async with (
            nginx(tmp_path, upstream) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
        ):
            http.headers["X-API-Key"] = key
            for link in await links(http, "/notify"):
                path = urlsplit(link).path
                assert path.startswith("/notify/")
                assert (await http.get(path)).status_code == 200
