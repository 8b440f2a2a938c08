"""The decorators attach policies, and the running service goes by them."""

from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from flashnotify.app import Service, transports
from flashnotify.channels.transport import ChannelConfig, Transport
from flashnotify.delivery import recorder
from flashnotify.domain import Captured, Message, Sent
from flashnotify.errors import Retryable, SettingsError, Unreachable
from flashnotify.meta import (
    Channel,
    Config,
    Email,
    Notifier,
    Priority,
    Templates,
    Wording,
    circuit_breaker,
    retrying,
    setting,
    tracked,
    validated_config,
)
from flashnotify.meta.registry import Registry
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import Running, running

NOTICE: dict[str, Any] = {
    "kind": "notice",
    "title": "T",
    "body": "B",
    "to": ["mailto:ada@univ.example"],
}
METRIC = 'flashnotify_attempt_seconds_count{channel="email",outcome="sent",transport="line"} 1.0'


class PlainContent:
    """A message in a form of its own."""

    def captured(self) -> Captured:
        return Captured("email", "", None, "", None)


class Line(Transport[PlainContent]):
    """A transport that does what the test says."""

    schemes: ClassVar[tuple[str, ...]] = ("line",)
    answer: ClassVar[Exception | None] = None
    calls: ClassVar[int] = 0

    async def send(self, content: PlainContent) -> Sent:
        type(self).calls += 1
        if self.answer is not None:
            raise self.answer
        return Sent("ok")


class LineConfig(ChannelConfig, registry=Registry("config")):
    """How the line is reached."""

    url: SecretStr = setting("line://", env="LINE_URL", help="Where.", example="line://")
    length: int = setting(1, env="LINE_LENGTH", help="Metres.", example="5")


Build = Callable[..., Service]


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> type[Line]:
    """The only transport that there is."""

    class OneLine(Line):
        pass

    monkeypatch.setattr(transports, "TRANSPORTS", {"email": (OneLine,)})
    return OneLine


@pytest.fixture
def build(clock: ManualClock, line: type[Line], monkeypatch: pytest.MonkeyPatch) -> Build:
    """Makes a service whose only channel is decorated as given."""

    def make(*decorators: Any, config: type[Config] = LineConfig) -> Service:
        channels: Registry[Any] = Registry("channel")
        kinds: Registry[Any] = Registry("kind")
        wordings: Registry[Any] = Registry("template set")

        class LineMixin(Channel, channel="email", registry=channels):
            scheme: ClassVar[str] = "mailto"
            address = Email()
            parts: ClassVar[tuple[str, ...]] = ("text",)

            async def send_email(
                self, message: Message, transport: Transport[Any], config: Config
            ) -> Sent:
                return await transport.send(PlainContent())

        for decorate in (validated_config(config), *decorators):
            assert decorate(LineMixin) is LineMixin

        class NoticeNotifier(LineMixin, Notifier, registry=kinds):
            """A notice."""

            priority = Priority(default="low")

        class NoticeTemplates(Templates, of=NoticeNotifier, registry=wordings):
            en = Wording(text="{{ body }}")

        monkeypatch.setattr(transports, "CHANNELS", channels)
        return Service(ServiceConfig(), clock, kinds, wordings)

    return make


async def tried(service: Running) -> Any:
    """Send a notice; its delivery, once a first attempt has been made or put off."""
    answer = await service.http.post("/v1/notifications", json=NOTICE)
    assert answer.status_code == 202, answer.text
    page = await service.until(
        f"{answer.json()['href']}/deliveries",
        lambda page: page["items"] and (page["items"][0]["attempts"] or page["items"][0]["reason"]),
    )
    return page["items"][0]


async def test_tracked_channels_have_a_metric(build: Build, line: type[Line]) -> None:
    async with running(build(tracked)) as service:
        await tried(service)
        assert METRIC in (await service.anonymous.get("/metrics")).text


async def test_channels_that_are_not_tracked_have_none(build: Build, line: type[Line]) -> None:
    async with running(build()) as service:
        await tried(service)
        exposition = (await service.anonymous.get("/metrics")).text
        assert 'flashnotify_attempt_seconds_count{channel="email"' not in exposition


async def test_the_breaker_opens_as_the_decorator_says(
    build: Build, line: type[Line], clock: ManualClock
) -> None:
    line.answer = Unreachable("down")
    async with running(build(circuit_breaker(failures=2, recovery=90))) as service:
        for _ in range(2):
            assert (await tried(service))["reason"] == "down"
        third = await tried(service)
        assert third["attempts"] == []
        assert third["reason"] == "waits for the transport to work again"
        assert line.calls == 2
        ready = await service.ready()
        assert ready["status"] == "degraded"
        assert ready["parts"]["email"] == "failing"
        outlet = service.service.channels["email"].transports[0]
        assert outlet.breaker.wait(urgent=False) == 90


async def test_without_it_the_breaker_opens_later(build: Build, line: type[Line]) -> None:
    line.answer = Unreachable("down")
    async with running(build()) as service:
        for _ in range(3):
            assert (await tried(service))["reason"] == "down"
        assert line.calls == 3


async def test_deliveries_are_retried_as_the_decorator_says(
    build: Build, line: type[Line], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "random", SimpleNamespace(random=lambda: 1.0))
    line.answer = Retryable("busy")
    waits = []
    async with running(build(retrying(base=3, cap=10, lifetime=30))) as service:
        delivery = await tried(service)
        path = f"/v1/notifications/{(await service.get('/v1/notifications'))['items'][0]['id']}"
        for number in range(2, 20):
            if delivery["status"] == "failed":
                break
            due = datetime.fromisoformat(delivery["next_attempt_at"]).timestamp()
            waits.append(due - clock.now() / 1000)
            await clock.advance(waits[-1])
            while delivery["attempt_count"] < number:
                delivery = (await service.get(f"{path}/deliveries"))["items"][0]
    # 3 s, doubled to 10 s, until the next would come after 30 s.
    assert waits == [3, 6, 10, 10]
    assert delivery["reason"] == "gave up after 5 attempts; last answer: busy"


async def test_without_it_they_are_retried_for_a_day(build: Build, line: type[Line]) -> None:
    line.answer = Retryable("busy", after=60)
    async with running(build()) as service:
        assert (await tried(service))["status"] == "queued"


def test_a_wrong_config_of_a_channel_stops_the_start(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_LINE_LENGTH", "long")
    with pytest.raises(SettingsError, match=r"^FLASHNOTIFY_LINE_LENGTH: 'long' .*_LENGTH=5$"):
        build()


def test_without_it_the_config_is_not_read(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_LINE_LENGTH", "long")

    class OtherConfig(ChannelConfig, registry=Registry("config")):
        """Of another channel."""

        url: SecretStr = setting("line://", env="OTHER_URL", help="Where.", example="line://")

    build(validated_config(OtherConfig))


def test_email_is_checked_at_the_start(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_FROM", "nobody")
    with pytest.raises(SettingsError, match=r"^FLASHNOTIFY_EMAIL_FROM: 'nobody' is not valid"):
        Service(ServiceConfig(), clock)


async def test_email_is_tracked(service: Running) -> None:
    await service.completed(await service.send())
    assert (
        'flashnotify_attempt_seconds_count{channel="email",outcome="sent",transport="capture"}'
        in (await service.anonymous.get("/metrics")).text
    )
