"""API keys in the archive's file."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import ACADEMIC, running


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


async def test_a_key_has_limits_of_its_own(clock: ManualClock) -> None:
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        limits = {"channels": ["email"], "recipients_per_day": 1, "rate_limit": "5/minute"}
        expires_at = datetime.fromtimestamp(clock.now() / 1000 + 3600, UTC).isoformat()
        key = await service.key("notify:*", "read", expires_at=expires_at, **limits)
        post = partial(service.anonymous.post, "/v1/notifications", headers=key)
        sms = ACADEMIC | {"channels": ["email", "push"]}
        answers = [await post(json=body) for body in (sms, ACADEMIC, ACADEMIC)]
        assert [answer.status_code for answer in answers] == [403, 202, 429]
        assert answers[0].json()["code"] == "channel_not_allowed"
        assert answers[2].json()["code"] == "recipients_exceeded"
        assert int(answers[2].headers["Retry-After"]) <= 86_400
        assert answers[1].headers["X-RateLimit-Limit"] == "5"
        assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
        assert answers[1].headers["X-API-Key-Expires-At"].startswith(expires_at[:19])
        for status in (202, 202, 429):
            answer = await service.anonymous.get("/v1/kinds", headers=key)
            assert answer.status_code == (200 if status == 202 else 429)
        (shown,) = (await service.get("/v1/api-keys"))["items"]
        assert {name: shown[name] for name in limits} == limits
        assert (shown["owner"], shown["state"]) == ("local", "expires_soon")
        assert shown["last_used_from"] == "127.0.0.1"


async def test_a_key_is_rotated_over_the_api(clock: ManualClock) -> None:
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        old = await service.key("read")
        id = old["Authorization"].split("_")[1]

        async def status(key: dict[str, str]) -> int:
            return (await service.anonymous.get("/v1/queue", headers=key)).status_code

        async def rotated(document: Any, status: int = 200) -> Any:
            answer = await service.http.post(f"/v1/api-keys/{id}/rotate", json=document)
            assert answer.status_code == status, answer.text
            return answer.json()

        new = {"X-API-Key": (await rotated({"overlap": 60}))["key"]}
        assert [await status(key) for key in (old, new)] == [200, 200]
        await clock.advance(60)
        assert [await status(key) for key in (old, new)] == [401, 200]
        newest = {"X-API-Key": (await rotated({"overlap": 0}))["key"]}
        assert [await status(key) for key in (old, new, newest)] == [401, 401, 200]
        await rotated({"overlap": 1, "until": "2099-01-01T00:00:00Z"}, 422)
        await rotated({"until": "2000-01-01T00:00:00Z"}, 422)
        await rotated({"secret": "x"}, 422)
        assert (await service.http.delete(f"/v1/api-keys/{id}")).status_code == 204
        assert (await rotated({}, 409))["code"] == "key_over"
