"""Delivery over an archive in memory and scripted transports."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from flashnotify.archive.records import Delivery, ScheduledJob
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.channels.sms.channel import SMSMixin
from flashnotify.channels.transport import Resources, Transport
from flashnotify.channels.url import TransportURL
from flashnotify.control.cancel_and_retry import CancelAndRetry
from flashnotify.delivery.breaker import Breaker
from flashnotify.delivery.decision import Decider
from flashnotify.delivery.executor import Executor
from flashnotify.delivery.fan_out import FanOut
from flashnotify.delivery.in_flight import InFlight
from flashnotify.delivery.planner import Planner
from flashnotify.delivery.recipients import Recipients
from flashnotify.delivery.rendering import Renderer
from flashnotify.delivery.routing import Routing
from flashnotify.delivery.sender import Sender
from flashnotify.delivery.transports import OpenChannel, OpenTransport
from flashnotify.domain import Job, Priority, Sent
from flashnotify.identity.audit import Actor, Audit
from flashnotify.ids import UUIDv7
from flashnotify.meta import Channel, Notifier, Templates, Wording, descriptors
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec, TemplatesSpec
from flashnotify.people.refused_addresses import RefusedAddresses
from flashnotify.queue.dispatch import Dispatch
from flashnotify.telemetry.metrics import Metrics
from tests.support.manual_clock import ManualClock
from tests.support.memory_archive import MemoryArchive
from tests.support.records import Records

ACTOR = Actor("local")
KINDS: Registry[NotifierSpec] = Registry("kind")
TEMPLATES: Registry[TemplatesSpec] = Registry("template set")


class AlertNotifier(EmailMixin, SMSMixin, Notifier, registry=KINDS):
    """Something happened."""

    place = descriptors.Text()
    priority = descriptors.Priority(default="low")
    quiet_hours = descriptors.TimeWindow("22:00-07:00")


class AlertTemplates(Templates, of=AlertNotifier, registry=TEMPLATES):
    en = Wording(subject="{{ title }}", text="{{ body }}", html="{{ body }}", sms="{{ title }}")


class ScriptedTransport(Transport[Any]):
    """Answers each message with the next entry of `script`, then accepts all others.

    An entry is a result, an error to raise, or a coroutine function that is awaited first.
    `sent` lists the recipients of the messages that it was given.
    """

    schemes: ClassVar[tuple[str, ...]] = ("scripted",)

    def __init__(self, name: str, resources: Resources, script: Iterable[Any] = ()) -> None:
        super().__init__(TransportURL(SecretStr(f"scripted://{name}")), None, resources)
        self.script = deque(script)
        self.sent: list[str] = []

    async def send(self, content: Any) -> Sent:
        self.sent.append(content.to)
        answer = self.script.popleft() if self.script else Sent("ok")
        if callable(answer):
            answer = await answer()
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Sent)
        return answer


class Delivering:
    """An executor and a fan-out over a `MemoryArchive`, on a campus in UTC."""

    def __init__(self, clock: ManualClock, bound: int = 100) -> None:
        self.clock = clock
        self.ids = UUIDv7(clock.now)
        self.archive = MemoryArchive()
        self.in_flight = InFlight()
        self.refused = RefusedAddresses(self.archive.refused_addresses, clock, self.ids)
        nothing: Any = None
        self.resources = Resources(clock, nothing, nothing, Path, "http://test", str)
        self.transports: dict[str, list[ScriptedTransport]] = {"email": [], "sms": []}
        self.channels: dict[str, OpenChannel] = {}
        self.dispatch = Dispatch(("email", "sms"), bound)
        self.wake_ups: list[tuple[Any, int]] = []
        self.dispatch.on_wake_up(lambda lane, at: self.wake_ups.append((lane, at)))
        # What a worker is told once it need not wait.
        self.release: Callable[[], None] | None = None
        self.control = CancelAndRetry(
            *(self.archive, self.dispatch, self.in_flight, clock, self.ids, asyncio.Lock()),
            Audit(self.archive.audit, clock),
        )
        for mixin in (EmailMixin, SMSMixin):
            self.open(mixin, [])

    def open(self, mixin: type[Channel], *scripts: Iterable[Any]) -> Sequence[ScriptedTransport]:
        """Give a channel one transport for each script, in failover order."""
        spec = mixin.__channel__
        assert spec.config is not None
        transports = [
            ScriptedTransport(f"{spec.name}-{number}", self.resources, script)
            for number, script in enumerate(scripts)
        ]
        opened = [
            OpenTransport(t.name, t.name, spec.name, t, Breaker(spec.breaker, self.clock))
            for t in transports
        ]
        self.channels[spec.name] = OpenChannel(spec, spec.config(), opened)
        self.transports[spec.name] = transports
        return transports

    @property
    def decider(self) -> Decider:
        return Decider(self.in_flight, ZoneInfo("UTC"), self.clock, self.refused)

    @cached_property
    def executor(self) -> Executor:
        return Executor(
            self.archive,
            self.archive.directory,
            KINDS,
            self.channels,
            self.decider,
            Renderer(KINDS, TEMPLATES, None),
            Sender(self.clock, Metrics(KINDS.values())),
            self.in_flight,
            self.clock,
            self.ids,
        )

    @property
    def fan_out(self) -> FanOut:
        return FanOut(self.archive, Recipients(self.archive.directory), self.planner, self.clock)

    @property
    def planner(self) -> Planner:
        return Planner(
            KINDS,
            Routing({name: channel.spec for name, channel in self.channels.items()}),
            self.decider,
            self.dispatch,
            self.clock,
            self.ids,
        )

    async def accept(
        self,
        to: Sequence[str] = ("mailto:a@univ.example",),
        priority: Priority = Priority.low,
        **changes: Any,
    ) -> Job:
        """Store a notification, and return its fan-out job."""
        alert: dict[str, Any] = {
            "kind": "alert",
            "title": "Fire",
            "body": "Leave the building.",
            "data": {},
            "audience": list(to),
        }
        made = Records(self.archive, self.clock.now).notification(**alert | changes)
        notification = replace(made, id=self.ids(), priority=priority)
        job = Job(self.ids(), notification.id, priority, turn=0)
        await self.archive.notifications.accept(
            notification, ScheduledJob(job, self.clock.now()), None
        )
        return job

    async def batches(self, *to: str, **more: Any) -> list[Job]:
        """Store a notification, fan it out, and return the jobs of its batches."""
        job = await self.accept(to or ("mailto:a@univ.example",), **more)
        with self.in_flight.job(job):
            await self.fan_out.execute(job)
        jobs = [scheduled.job for scheduled in self.archive.state.jobs.values()]
        # Carried out as after a restart, from the archive.
        self.in_flight.fresh.discard(job.notification_id)
        self.archive.writes.clear()
        return [found for found in jobs if found.notification_id == job.notification_id]

    async def execute(self, job: Job) -> int | None:
        """Execute a batch as a worker does."""
        with self.in_flight.job(job):
            return await self.executor.execute(job, self.release or (lambda: None))

    def deliveries(self) -> list[Delivery]:
        """Return all deliveries, oldest first."""
        return sorted(self.archive.state.deliveries.values(), key=lambda d: d.id)

    def attempts(self, id: UUID) -> list[tuple[str, str | None]]:
        """Return the outcome and the answer of each attempt at a delivery."""
        return [(a.outcome.value, a.answer) for a in self.archive.state.attempts.get(id, ())]

    def statuses(self) -> list[tuple[str, str, str | None]]:
        """Return the address, status and reason of each delivery."""
        return [(d.address, d.status.value, d.reason) for d in self.deliveries()]


def gate() -> tuple[asyncio.Event, asyncio.Event, Callable[[], Any]]:
    """Return events for "reached" and "go on", and a script entry that waits between them."""
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> Sent:
        reached.set()
        await go_on.wait()
        return Sent("ok")

    return reached, go_on, wait
