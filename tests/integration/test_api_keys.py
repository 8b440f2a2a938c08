"""API keys in the archive's file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import running


def _content(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())


async def test_the_secret_of_a_key_is_not_in_the_archive(clock: ManualClock) -> None:
    config = ServiceConfig()
    async with running(Service(config, clock), deliver=False) as service:
        token = (await service.key("read"))["Authorization"].removeprefix("Bearer ")
        headers = {"X-API-Key": token}
        assert (await service.anonymous.get("/v1/kinds", headers=headers)).status_code == 200
    _, id, secret = token.split("_")
    stored = await asyncio.to_thread(_content, config.archive_file.parent)
    assert id.encode() in stored
    assert secret[:12].encode() not in stored
    assert secret[12:43].encode() not in stored
