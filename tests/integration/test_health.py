"""`/healthz`, `/readyz` and `/metrics`, which need no key."""

from __future__ import annotations

import re

import pytest

from flashnotify.app import Service
from flashnotify.domain import moment
from flashnotify.settings import ServiceConfig
from tests.integration.conftest import Emailing
from tests.integration.deliveries import tried
from tests.support.manual_clock import ManualClock
from tests.support.running import ACADEMIC, Running, running
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
            "digests": "ok",
            "workers fan-out": "ok",
            "workers email": "ok",
            "workers sms": "ok",
            "workers push": "ok",
            "workers chat": "ok",
            "workers in_app": "ok",
            "archive": "ok",
            "threads": "ok",
            "email": "ok",
            "in_app": "ok",
            "push": "ok",
            "sms": "ok",
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
    assert answer.json()["parts"]["archive"] == "failing"
    assert (await service.http.get("/readyz")).json()["parts"]["archive"] == "OSError"
    assert (await service.anonymous.get("/healthz")).status_code == 200


async def test_nothing_is_accepted_on_a_file_that_was_deleted(
    service: Running, clock: ManualClock
) -> None:
    await service.ready()
    file = service.service.config.archive_file
    moved = file.rename(file.with_suffix(".moved"))
    answer = await service.http.post("/v1/notifications", json=ACADEMIC)
    assert answer.status_code == 503, "its commit noticed"
    assert "archive file" in answer.json()["detail"]
    assert (await service.anonymous.get("/readyz")).json()["parts"]["archive file"] == "failing"
    moved.rename(file)
    await clock.advance(11)
    await service.ready()
    await service.send()


async def test_those_who_may_read_see_why_a_transport_fails(
    emailing: Emailing, smtp: SmtpServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with emailing(f"{smtp.url} capture://") as service:
        breaker = service.service.channels["email"].transports[0].breaker
        breaker.misconfigure("535 wrong password")
        since = clock.now()
        await clock.advance(10)
        seen = {}
        for scope in ("read", "devices"):
            headers = await service.key(scope)
            answer = await service.anonymous.get("/readyz", headers=headers)
            assert answer.status_code == 200
            seen[scope] = answer.json()
        seen["wrong key"] = (
            await service.anonymous.get("/readyz", headers={"X-API-Key": "fn_wrong"})
        ).json()
        seen["no key"] = (await service.anonymous.get("/readyz")).json()
        assert seen["devices"] == seen["wrong key"] == seen["no key"]
        for found in seen.values():
            assert found["status"] == "degraded"
            assert found["parts"]["email"] == "degraded"
        assert "127.0.0.1" not in str(seen["no key"])
        first, second = (t for t in seen["read"]["transports"] if t["channel"] == "email")
        assert first == {
            "channel": "email",
            "name": smtp.url,
            "state": "failing",
            "failing_since": written(since),
            "next_probe_at": written(since + 30_000),
            "last_error": "535 wrong password",
        }
        assert (second["name"], second["state"]) == ("capture://", "ok")
        (channel,) = (
            c for c in (await service.get("/v1/channels"))["items"] if c["channel"] == "email"
        )
        assert first.items() - channel["transports"][0].items() == {("channel", "email")}


def written(at: int) -> str:
    """Return a time as answers have it."""
    return moment(at).isoformat().replace("+00:00", "Z")


async def test_a_channel_all_of_whose_transports_fail_is_failing(service: Running) -> None:
    service.service.channels["sms"].transports[0].breaker.pause(60, "429 slow down")
    answer = (await service.anonymous.get("/readyz")).json()
    assert (answer["status"], answer["parts"]["sms"]) == ("degraded", "failing")


@pytest.mark.parametrize("named", [False, True])
async def test_metrics_name_hosts_only_if_asked_to(
    smtp: SmtpServer, emailing: Emailing, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_METRICS_TRANSPORT_NAMES", str(named).lower())
    async with emailing(f"{smtp.url} {smtp.url}") as service:
        await service.completed(await service.send())
        found = await metrics(service)
    names = (smtp.url, f"{smtp.url} (2)") if named else ("smtp", "smtp 2")
    for name in names:
        assert f'flashnotify_breaker_open{{channel="email",transport="{name}"}}' in found
    assert any("127.0.0.1" in name for name in found) is named


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
            labels = f'channel="email",outcome="{outcome}",transport="smtp"'
            assert found[f"flashnotify_attempt_seconds_count{{{labels}}}"] == 1
        assert found['flashnotify_breaker_open{channel="email",transport="smtp"}'] == 0
        for part in ("writer", "scheduler", "maintenance", "workers fan-out", "workers email"):
            assert found[f'flashnotify_part_ready{{part="{part}"}}'] == 1


async def test_metrics_show_the_backlog(clock: ManualClock) -> None:
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        for _ in range(3):
            await service.send(priority="high")
        found = await metrics(service)
        await clock.advance(5)
        found = await metrics(service)
        waiting = {("email", "high"): (3, 5.0)}
        for channel in ("fan-out", "email", "sms", "push", "chat", "in_app"):
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
