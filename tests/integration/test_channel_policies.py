"""The observable policies of the channels, one per decorator."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, ClassVar

import pytest

from flashnotify.app import Service, transports
from flashnotify.channels.transport import Content, Transport
from flashnotify.domain import Sent
from flashnotify.errors import Retryable, SettingsError, Unreachable
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import Running, running

HOUR = 3600
CHANNELS = ("email", "sms", "push", "chat")
ALERT: dict[str, Any] = {
    "kind": "security",
    "data": {"location": "Building B", "instructions": "Leave the building."},
}


class Line(Transport[Content]):
    """Accepts every message, or raises `error`."""

    schemes: ClassVar[tuple[str, ...]] = ("line",)
    error: ClassVar[Exception | None] = None

    async def send(self, content: Content) -> Sent:
        if self.error is not None:
            raise self.error
        return Sent("ok")


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> type[Line]:
    """The only transport of each channel that has settings."""

    class OneLine(Line):
        pass

    lines = {**transports.TRANSPORTS, **dict.fromkeys(CHANNELS, (OneLine,))}
    monkeypatch.setattr(transports, "TRANSPORTS", lines)
    for channel in ("EMAIL", "SMS", "PUSH"):
        monkeypatch.setenv(f"FLASHNOTIFY_{channel}_URL", "line://")
    monkeypatch.setenv("FLASHNOTIFY_CHAT_URLS", "it-team=line://")
    return OneLine


@pytest.fixture
async def service(line: type[Line], clock: ManualClock) -> AsyncIterator[Running]:
    async with running(Service(ServiceConfig(), clock)) as started:
        yield started


async def address(service: Running, channel: str) -> str:
    """Return an address on a channel."""
    if channel == "push":
        device = {"type": "ntfy", "topic": "ada"}
        answer = await service.http.post("/v1/devices", json=device)
        return str(answer.json()["address"])
    return {"email": "mailto:ada@univ.example", "sms": "tel:+33612345678", "chat": "chat:it-team"}[
        channel
    ]


async def attempted(service: Running, channel: str, **changes: Any) -> Any:
    """Send an alert on a channel, and return its delivery after the first attempt."""
    id = await service.send(**ALERT, to=[await address(service, channel)], **changes)
    page = await service.until(
        f"/v1/notifications/{id}/deliveries",
        lambda page: page["items"] and page["items"][0]["attempts"],
    )
    return page["items"][0]


@pytest.mark.parametrize("channel", CHANNELS)
async def test_attempts_are_measured(service: Running, channel: str) -> None:
    delivery = await attempted(service, channel)
    assert delivery["status"] == "sent"
    exposition = (await service.anonymous.get("/metrics")).text
    assert f'flashnotify_attempt_seconds_count{{channel="{channel}",outcome="sent"' in exposition


@pytest.mark.parametrize(
    ("channel", "failures", "recovery"),
    [("email", 5, 30), ("sms", 3, 60), ("push", 5, 30), ("chat", 5, 30)],
)
async def test_the_breaker_opens(
    service: Running,
    line: type[Line],
    clock: ManualClock,
    channel: str,
    failures: int,
    recovery: int,
) -> None:
    # No retry comes before the breaker closes.
    line.error = Unreachable("down", after=HOUR)
    for _ in range(failures):
        assert await breaker(service, channel) == "closed"
        await attempted(service, channel, priority="low")
    assert await breaker(service, channel) == "open"
    await clock.advance(recovery - 1)
    assert await breaker(service, channel) == "open"
    await clock.advance(1)
    assert await breaker(service, channel) != "open"


async def breaker(service: Running, channel: str) -> Any:
    """The state of the breaker of the channel's transport."""
    channels = (await service.get("/v1/channels"))["items"]
    (found,) = (c["transports"][0] for c in channels if c["channel"] == channel)
    return found["breaker"]


@pytest.mark.parametrize(
    ("channel", "priority", "hours"),
    [
        ("email", "low", 24),
        ("email", "critical", 24),
        ("sms", "low", 24),
        ("sms", "critical", 24),
        ("push", "low", 6),
        ("push", "critical", 24),
        ("chat", "low", 24),
        ("chat", "critical", 24),
    ],
)
async def test_how_long_deliveries_are_retried(
    service: Running,
    line: type[Line],
    clock: ManualClock,
    channel: str,
    priority: str,
    hours: int,
) -> None:
    # An attempt at the end of the delivery's life is the last that there is.
    line.error = Retryable("busy", after=1000 * HOUR)
    delivery = await attempted(service, channel, priority=priority)
    assert seconds_to_next(delivery, clock) == pytest.approx(hours * HOUR, abs=0.01)


def seconds_to_next(delivery: Any, clock: ManualClock) -> float:
    due = datetime.fromisoformat(delivery["next_attempt_at"]).timestamp()
    return due - clock.now() / 1000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMAIL_FROM", "nobody"),
        ("SMS_MAX_SEGMENTS", "0"),
        ("PUSH_URL", "carrier-pigeon://"),
        ("CHAT_URLS", "it-team"),
    ],
)
def test_settings_are_checked_at_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"FLASHNOTIFY_{name}", value)
    with pytest.raises(SettingsError, match=f"^FLASHNOTIFY_{name}: "):
        Service(ServiceConfig())
