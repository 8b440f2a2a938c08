"""Statistics, the queue, kinds and channels, rate limits, `/docs`."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from flashnotify.app import Service
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.domain import moment
from flashnotify.settings import ServiceConfig
from tests.support.eventually import eventually
from tests.support.manual_clock import ManualClock
from tests.support.running import ACADEMIC, Running, running


async def test_stats_count_notifications_and_delivery_statuses(
    service: Running, clock: ManualClock
) -> None:
    id = await service.send(to=["mailto:ada@univ.example", "mailto:emmy@univ.example"])
    await service.completed(id)
    stats = await service.get("/v1/stats", window="1h")
    assert stats["accepted"] == {"academic": 1}
    assert stats["deliveries"] == {"academic": {"email": {"sent": 2}}}
    await clock.advance(2 * 3600)
    assert (await service.get("/v1/stats", window="1h"))["accepted"] == {}
    assert (await service.get("/v1/stats", window="24h"))["accepted"] == {"academic": 1}


async def test_performance_has_percentiles_by_channel_and_transport(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_CHAT_URLS", "it-team=capture://")
    async with running(Service(ServiceConfig(), clock)) as service:
        device = {"type": "ntfy", "topic": "ada-5Hk2xQ"}
        push = (await service.http.post("/v1/devices", json=device)).json()["address"]
        to = ["mailto:ada@univ.example", "tel:+33612345678", push, "chat:it-team"]
        await service.completed(await service.send(to=to))
        items = (await service.get("/v1/performance"))["items"]
        assert [(item["channel"], item["transport"]) for item in items] == [
            ("chat", "capture://it-team"),
            ("email", "capture://"),
            ("push", "capture://"),
            ("sms", "capture://"),
        ]
        for item in items:
            assert (item["attempts"], item["failures"]) == (1, 0)
            assert 0 <= item["p50_ms"] <= item["p99_ms"]


async def test_an_untracked_channel_is_not_measured(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    untracked = replace(EmailMixin.__channel__, tracked=False)
    monkeypatch.setattr(EmailMixin, "__channel__", untracked)
    async with running(Service(ServiceConfig(), clock)) as service:
        await service.completed(await service.send())
        assert (await service.get("/v1/performance"))["items"] == []


async def test_the_queue_shows_depth_and_age_of_each_lane(clock: ManualClock) -> None:
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        await service.send()
        await service.send(priority="high")
        await clock.advance(30)
        queue = await service.get("/v1/queue")
        lanes = {(lane["channel"], lane["priority"]): lane for lane in queue["lanes"]}
        priorities = ["critical", "high", "medium", "low"]
        assert set(lanes) == {
            (channel, priority)
            for channel in (None, "email", "sms", "push", "chat", "in_app")
            for priority in priorities
        }
        in_order = [lane["priority"] for lane in queue["lanes"] if lane["channel"] is None]
        assert in_order == priorities
        low, high = lanes["email", "low"], lanes["email", "high"]
        assert (low["depth"], high["depth"]) == (1, 1)
        assert low["oldest_seconds"] == 30
        for lane in (lanes["email", "critical"], lanes[None, "low"]):
            assert (lane["depth"], lane["in_flight"], lane["oldest_seconds"]) == (0, 0, 0)


Waits = dict[tuple[str | None, str, str], tuple[int, float]]


async def waiting(service: Running) -> Waits:
    """Return the number and the age of what waits by channel, priority and reason."""
    queue = await service.get("/v1/queue")
    return {
        (held["channel"], held["priority"], held["reason"]): (
            held["number"],
            held["oldest_seconds"],
        )
        for held in queue["waiting"]
    }


async def check_views(service: Running, found: Waits) -> None:
    """Check that `/metrics` and `/v1/stats` show what `/v1/queue` does."""
    metrics = (await service.anonymous.get("/metrics")).text
    stats = (await service.get("/v1/stats"))["waiting"]
    for (channel, priority, reason), (number, age) in found.items():
        labels = f'{{channel="{channel or "fan-out"}",priority="{priority}",reason="{reason}"}}'
        assert f"flashnotify_waiting{labels} {float(number)}\n" in metrics
        assert f"flashnotify_waiting_oldest_seconds{labels} {age}\n" in metrics
        assert stats[channel or "fan-out"][reason] >= number
    shown = re.findall(r"^flashnotify_waiting\{.*\} (?!0\.0)", metrics, re.MULTILINE)
    assert len(shown) == len(found)


async def test_what_waits_shows_while_a_server_is_down(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_URL", "smtp://127.0.0.1:9")
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_FROM", "Campus <campus@univ.example>")
    async with running(Service(ServiceConfig(), clock)) as service:
        # One failure less than what opens the breaker.
        to = [f"mailto:student{n}@univ.example" for n in range(4)]
        id = await service.send(to=to)
        later = await service.send(send_at=moment(clock.now() + 3_600_000).isoformat())

        async def waits(reason: str) -> bool:
            return (await waiting(service)).get(("email", "low", reason), (0, 0))[0] == 4

        await eventually(lambda: waits("retrying"))
        began = clock.now()

        async def is_blocked() -> bool:
            # Retries open the breaker; the next one finds it open.
            await clock.advance(1)
            return await waits("breaker_open")

        await eventually(is_blocked)
        found, age = await waiting(service), (clock.now() - began) / 1000
        assert found[None, "low", "scheduled"] == (1, age)
        assert found["email", "low", "breaker_open"] == (4, age)
        await check_views(service, found)
        page = await service.get(f"/v1/notifications/{id}/deliveries", limit=200)
        assert {item["waiting"] for item in page["items"]} <= {"breaker_open", "retrying"}
        for each in (id, later):
            await service.http.post(f"/v1/notifications/{each}/cancel")
            shown = await service.get(f"/v1/notifications/{each}", wait=60)
            assert shown["status"] == "cancelled"

        async def nothing() -> bool:
            return not await waiting(service)

        await eventually(nothing)
        await check_views(service, {})


async def test_what_waits_for_the_end_of_quiet_hours_shows(clock: ManualClock) -> None:
    await clock.advance(15 * 3600)
    async with running(Service(ServiceConfig(), clock)) as service:
        await service.send(to=["tel:+33612345678", "tel:+33612345679"])

        async def quiet() -> bool:
            return await waiting(service) == {("sms", "low", "quiet_hours"): (2, 0.0)}

        await eventually(quiet)
        await check_views(service, await waiting(service))


async def test_kinds_come_with_their_schema_and_scope(service: Running) -> None:
    kinds = {kind["kind"]: kind for kind in (await service.get("/v1/kinds"))["items"]}
    academic = kinds["academic"]
    assert academic["scope"] == "notify:academic"
    assert academic["summary"].startswith("A course, an exam or a grade")
    assert {name: kind["priority"] for name, kind in kinds.items()} == {
        "security": "critical",
        "health": "critical",
        "weather": "high",
        "infrastructure": "medium",
        "academic": "low",
        "administrative": "low",
    }
    assert "email" in academic["channels"]
    assert "mailto:" in academic["addresses"]
    data = academic["request"]["$defs"]["AcademicData"]
    assert data["required"] == ["course"]


async def test_channels_come_with_their_transports(service: Running) -> None:
    channels = {c["channel"]: c for c in (await service.get("/v1/channels"))["items"]}
    (transport,) = channels["email"]["transports"]
    assert transport["name"] == "capture://"
    assert transport["breaker"] == "closed"


@pytest.fixture
async def slow(clock: ManualClock) -> AsyncIterator[Running]:
    async with running(Service(ServiceConfig(rate_limit="3/hour"), clock)) as started:
        yield started


async def test_a_rate_limited_key_gets_retry_after(slow: Running) -> None:
    key = await slow.key("notify:*")
    other = await slow.key("notify:*")
    left = []
    for _ in range(3):
        answer = await slow.anonymous.post("/v1/notifications", json=ACADEMIC, headers=key)
        assert answer.status_code == 202
        left.append(answer.headers["X-RateLimit-Remaining"])
    assert left == ["2", "1", "0"]
    answer = await slow.anonymous.post("/v1/notifications", json=ACADEMIC, headers=key)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert answer.headers["X-RateLimit-Limit"] == "3"
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert answer.headers["X-RateLimit-Reset"] == answer.headers["Retry-After"]
    assert answer.json()["type"] == "urn:flashnotify:problem:too-fast"
    assert answer.json()["code"] == "rate_limited"
    assert len((await slow.get("/v1/notifications"))["items"]) == 3
    answer = await slow.anonymous.post("/v1/notifications", json=ACADEMIC, headers=other)
    assert answer.status_code == 202


async def test_the_root_redirects_to_the_documentation(service: Running) -> None:
    answer = await service.anonymous.get("/")
    assert answer.is_redirect
    assert answer.headers["location"] == "/sign-in"


async def test_the_documentation_loads_nothing_from_another_host(service: Running) -> None:
    page = await service.anonymous.get("/docs")
    assert page.status_code == 200
    for path in ("/docs/static/swagger-ui-bundle.js", "/docs/static/swagger-ui.css"):
        assert path in page.text
        assert (await service.anonymous.get(path)).status_code == 200
    assert "https://" not in page.text
