"""`/healthz`, `/readyz` and `/metrics`, which need no key."""

from __future__ import annotations

import re

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.integration.conftest import Emailing
from tests.integration.deliveries import tried
from tests.support.manual_clock import ManualClock
from tests.support.running import Running, running
from tests.support.smtp_server import SmtpServer


async def metrics(service: Running) -> dict[str, float]:
    """Return all samples of /metrics."""
    answer = await service.anonymous.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def test_alive_and_ready(service: Running) -> None:
    answer = await service.anonymous.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    answer = await service.anonymous.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "parts": {
            "writer": "ok",
            "archive file": "ok",
            "scheduler": "ok",
            "maintenance": "ok",
            "workers fan-out": "ok",
            "workers email": "ok",
            "workers sms": "ok",
            "workers push": "ok",
            "workers chat": "ok",
            "archive": "ok",
            "threads": "ok",
            "email capture://": "ok",
            "push capture://": "ok",
            "sms capture://": "ok",
        },
    }


async def test_an_archive_that_cannot_be_read_is_not_ready(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> None:
        raise OSError("disk on fire")

    monkeypatch.setattr(service.service.archive, "ping", broken)
    answer = await service.anonymous.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "failed"
    assert answer.json()["parts"]["archive"] == "OSError"
    assert (await service.anonymous.get("/healthz")).status_code == 200


async def test_each_transport_has_a_line(emailing: Emailing, smtp: SmtpServer) -> None:
    async with emailing(f"{smtp.url} smtp://user:pass@mail.invalid:25 capture://") as service:
        parts = (await service.anonymous.get("/readyz")).json()["parts"]
        assert {
            name: state for name, state in parts.items() if "://" in name and "email" in name
        } == {
            f"email {smtp.url}": "ok",
            "email smtp://mail.invalid:25": "ok",
            "email capture://": "ok",
        }


async def test_metrics_count_events(
    smtp: SmtpServer, emailing: Emailing, clock: ManualClock
) -> None:
    smtp.next("RCPT", "550 5.1.1 no such user")
    async with emailing(smtp.url) as service:
        # The series are there before anything happens.
        before = await metrics(service)
        for kind in ("academic", "security"):
            for priority in ("low", "medium", "high", "critical"):
                name = "flashnotify_notifications_accepted_total"
                assert before[f'{name}{{kind="{kind}",priority="{priority}"}}'] == 0
        await tried(service, await service.send())
        await service.completed(await service.send(priority="high"))
        found = await metrics(service)
        assert (
            found['flashnotify_notifications_accepted_total{kind="academic",priority="low"}'] == 1
        )
        assert (
            found['flashnotify_notifications_accepted_total{kind="academic",priority="high"}'] == 1
        )
        for outcome in ("rejected", "sent"):
            labels = f'channel="email",outcome="{outcome}",transport="{smtp.url}"'
            assert found[f"flashnotify_attempt_seconds_count{{{labels}}}"] == 1
        assert found[f'flashnotify_breaker_open{{channel="email",transport="{smtp.url}"}}'] == 0
        for part in ("writer", "scheduler", "maintenance", "workers fan-out", "workers email"):
            assert found[f'flashnotify_part_ready{{part="{part}"}}'] == 1


async def test_metrics_show_the_backlog(clock: ManualClock) -> None:
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        for _ in range(3):
            await service.send(priority="high")
        found = await metrics(service)
        await clock.advance(5)
        found = await metrics(service)
        waiting = {("fan-out", "high"): (3, 5.0)}
        for channel in ("fan-out", "email", "sms", "push", "chat"):
            for priority in ("low", "medium", "high", "critical"):
                labels = f'channel="{channel}",priority="{priority}"'
                depth, age = waiting.get((channel, priority), (0, 0.0))
                assert found[f"flashnotify_queue_depth{{{labels}}}"] == depth
                assert found[f"flashnotify_queue_oldest_seconds{{{labels}}}"] == age


async def test_every_metric_has_help(service: Running) -> None:
    text = (await service.anonymous.get("/metrics")).text
    explained = set(re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE))
    typed = set(re.findall(r"^# TYPE (\S+) (?:counter|gauge|histogram)$", text, re.MULTILINE))
    assert explained == typed != set()
    assert all(name.startswith("flashnotify_") for name in explained)
