"""The composition root: alone knows which notifiers, channels and transports exist."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from limits import parse as parse_rate
from starlette.types import ASGIApp

from flashnotify import notifiers, templates
from flashnotify.api.api_keys import ApiKeyIn, api_keys_router
from flashnotify.api.application import application
from flashnotify.api.batch import batch_router
from flashnotify.api.control import interventions_router
from flashnotify.api.devices import DEVICE_REQUESTS, devices_router
from flashnotify.api.events import events_router
from flashnotify.api.health import health_router
from flashnotify.api.kinds import kinds_router
from flashnotify.api.notifications import notifications_router
from flashnotify.api.notify import text_router
from flashnotify.api.outbox import outbox_router
from flashnotify.api.receipts import receipts_router
from flashnotify.api.requests import authentication
from flashnotify.api.statistics import statistics_router
from flashnotify.archive import schema
from flashnotify.archive.reads.reader import Reader
from flashnotify.archive.sqlite.engine import open_readers, open_writer
from flashnotify.archive.sqlite.lock import ArchiveLock
from flashnotify.archive.writer import Writer
from flashnotify.channels.capture import CaptureTransport
from flashnotify.channels.chat.apprise import AppriseTransport
from flashnotify.channels.email.smtp import SmtpTransport
from flashnotify.channels.net.address_guard import PublicAddresses
from flashnotify.channels.net.resolver import NameLookup
from flashnotify.channels.push.channel import PushNotificationMixin
from flashnotify.channels.push.ntfy import NtfyTransport
from flashnotify.channels.push.webpush import WebPushConfig, WebPushTransport
from flashnotify.channels.sms.http_json import HttpJsonTransport
from flashnotify.channels.sms.kannel import KannelTransport
from flashnotify.channels.transport import Resources, Transport
from flashnotify.clock import Clock, SystemClock
from flashnotify.control.interventions import Interventions
from flashnotify.delivery.executor import Delivery
from flashnotify.delivery.fan_out import Expansion
from flashnotify.delivery.in_flight import Claims
from flashnotify.delivery.receipts import Receipts
from flashnotify.delivery.rendering import Renderer
from flashnotify.delivery.routing import Routing
from flashnotify.delivery.sending import Sending
from flashnotify.delivery.transports import open_channel
from flashnotify.domain import (
    Job,
)
from flashnotify.identity.api_keys import ApiKeys
from flashnotify.identity.principal import known_scopes
from flashnotify.identity.rate_limits import Rates
from flashnotify.ids import UUIDv7
from flashnotify.intake.audience import Audience
from flashnotify.intake.bulk import Batch
from flashnotify.intake.submission import Submission
from flashnotify.intake.validation import Limits, Validation
from flashnotify.meta.registry import CHANNELS, CONFIGS, NOTIFIERS, TEMPLATES, Registry
from flashnotify.meta.specs import NotifierSpec, TemplatesSpec
from flashnotify.queue.async_queue import AsyncQueue
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from flashnotify.runtime.maintenance import Retention
from flashnotify.runtime.scheduler import Scheduler
from flashnotify.runtime.supervisor import Supervisor
from flashnotify.runtime.worker_pool import WorkerPool
from flashnotify.settings import ServiceConfig
from flashnotify.telemetry.events import Events
from flashnotify.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

# Importing them registers what they declare.
DECLARATIONS = (notifiers, templates)

# A transport is registered here, for each channel that it serves.
TRANSPORTS: Mapping[str, Sequence[type[Transport[Any]]]] = {
    "email": (SmtpTransport, CaptureTransport),
    "sms": (KannelTransport, HttpJsonTransport, CaptureTransport),
    "push": (WebPushTransport, NtfyTransport, CaptureTransport),
    "chat": (AppriseTransport, CaptureTransport),
}


class Service:
    """The whole service: built from the settings, started, stopped."""

    def __init__(
        self,
        config: ServiceConfig,
        clock: Clock | None = None,
        kinds: Registry[NotifierSpec] = NOTIFIERS,
        wordings: Registry[TemplatesSpec] = TEMPLATES,
    ) -> None:
        self.config = config
        self.clock = clock = clock or SystemClock()
        self.lock = ArchiveLock(config.archive_file)
        self.supervisor = Supervisor()
        self.metrics = Metrics(kinds)
        self.threads = ThreadPoolQueue(config.threads)
        # For names that strangers give: few, since each may hold one for half a minute.
        self.names = ThreadPoolQueue(4, spare=8)
        resources = Resources(
            clock, self.threads, self.names, config.beside, config.public_url, self._token
        )
        self.channels = {
            channel.__channel__.name: open_channel(
                channel.__channel__, TRANSPORTS[channel.__channel__.name], resources
            )
            for channel in CHANNELS
        }
        self._writing = open_writer(config.archive)
        # For the work itself; whoever asks for lists waits for connections of their own.
        self.reader = Reader(open_readers(config.archive))
        self.lists = Reader(open_readers(config.archive))
        self.writer = Writer(self._writing, clock)
        self.queue: AsyncQueue[Job] = AsyncQueue(config.queue_bound)
        retention = Retention(kinds, self.reader, self.writer, clock)
        self.scheduler = Scheduler(self.queue, self.reader, retention, clock)
        self.events = Events(self.lists, self.writer, clock)
        self.claims = Claims()
        ids = UUIDv7(clock.now)
        zone = ZoneInfo(config.timezone)
        routing = Routing(zone)
        sending = Sending(clock, ids, self.metrics, self.threads)
        self.pool = WorkerPool(
            config.workers,
            self.queue,
            Expansion(kinds, self.reader, self.writer, self.claims, routing, clock, ids),
            Delivery(
                kinds,
                self.channels,
                self.reader,
                self.writer,
                # UTC is no campus's time: where none is set, a sender's own offset is nearer to it.
                Renderer(kinds, wordings, zone if config.timezone != "UTC" else None),
                sending,
                self.claims,
                routing,
                clock,
            ),
            self.claims,
            self.scheduler.notice,
            clock,
        )
        self._kinds = kinds
        self._wordings = wordings
        self._ids = ids

    async def open(self) -> None:
        """Take the archive, and bring it to this version.

        Raises:
            ArchiveLocked: another process has it.
        """
        for registry in (CHANNELS, CONFIGS, NOTIFIERS, TEMPLATES):
            registry.freeze()
        self.lock.acquire()
        await schema.upgrade(self.config.archive)
        self.supervisor.start("writer", self.writer.run())

    async def start(self) -> None:
        """Begin to deliver. What was left unfinished comes first."""
        for channel in self.channels.values():
            for outlet in channel.outlets:
                await outlet.transport.open()
                if isinstance(outlet.transport, CaptureTransport):
                    log.warning(
                        "channel.captured",
                        channel=channel.spec.name,
                        meaning="messages are kept in the outbox, nothing leaves this machine",
                    )
        self.supervisor.start("scheduler", self.scheduler.run())
        self.supervisor.start("workers", self.pool.run())

    async def drain(self) -> None:
        """Stop accepting, and finish what is in hand within `drain_seconds`."""
        self.supervisor.stopping()
        # First: an open stream would hold up the server's end.
        self.events.close()
        self.queue.close()
        await self.supervisor.stop("scheduler", within=0)
        await self.supervisor.stop("workers", within=self.config.drain_seconds)

    async def close(self) -> None:
        """Write what has been handed over, and let go of everything."""
        self.supervisor.stopping()
        self.writer.close()
        await self.supervisor.stop("writer", within=_FLUSH)
        self.threads.close()
        self.names.close()
        for channel in self.channels.values():
            for outlet in channel.outlets:
                await outlet.transport.close()
        # Readers first: the last connection to close checkpoints the log, and that is the writer's.
        await self.lists.close()
        await self.reader.close()
        await self._writing.dispose()
        self.lock.release()

    @cache  # noqa: B019  # a service lives as long as its process
    def _pepper(self) -> bytes:
        """The secret key. Made when first asked for, which is after the archive's lock is taken."""
        return self.config.pepper()

    def _token(self, of: str) -> str:
        return hmac.new(self._pepper(), f"callback {of}".encode(), "sha256").hexdigest()[:32]

    def _vapid_key(self) -> str | None:
        """What browsers need to subscribe, if Web Push is among the transports."""
        outlets = (outlet for channel in self.channels.values() for outlet in channel.outlets)
        transports = (outlet.transport for outlet in outlets)
        return next((t.public_key for t in transports if isinstance(t, WebPushTransport)), None)

    def app(self) -> ASGIApp:
        """The ASGI app that serves the API of this service."""
        config = self.config
        keys = ApiKeys(self.reader, self.writer, self.clock, self._pepper())
        authenticate = authentication(keys, Rates(parse_rate(config.rate_limit)))
        audience = Audience(
            {channel.spec.scheme: channel.check_address for channel in self.channels.values()},
            {PushNotificationMixin.scheme: self.reader.registered_devices},
        )
        limits = Limits(config.max_title_length, config.max_body_bytes, config.max_recipients)
        submission = Submission(
            Validation(self._kinds, self._wordings, audience, limits),
            self.reader,
            self.writer,
            self.supervisor,
            self.queue,
            self.scheduler.notice,
            self.clock,
            self._ids,
            config.locale,
            self.metrics,
        )
        interventions = Interventions(
            self.reader, self.writer, self.claims, self.scheduler.notice, self.clock, self._ids
        )
        routers = (
            batch_router(
                Batch(submission, config.max_batch),
                authenticate,
                config.max_batch_bytes,
                config.max_request_bytes,
            ),
            notifications_router(
                submission, self.claims, self.lists, authenticate, config.max_request_bytes
            ),
            interventions_router(interventions, self.lists, authenticate),
            outbox_router(self.lists, authenticate),
            receipts_router(Receipts(self.reader, self.writer, self.clock, self._token)),
            events_router(self.events, keys, authenticate),
            kinds_router(self._kinds, self.channels, authenticate),
            statistics_router(self.lists, self.queue, self.clock, authenticate),
            devices_router(
                self.lists,
                self.writer,
                self.clock,
                self._ids,
                PublicAddresses(WebPushConfig().networks),
                NameLookup(self.names),
                self._vapid_key(),
                authenticate,
            ),
            api_keys_router(
                keys,
                known_scopes(self._kinds),
                self.clock,
                authenticate,
                config.max_request_bytes,
            ),
        )
        # These see to the query themselves: the kinds' fields are in it, or whatever a probe adds.
        lenient = (
            text_router(
                submission,
                self._kinds,
                authenticate,
                config.max_request_bytes,
                config.max_title_length,
            ),
            health_router(
                self.supervisor, self.reader, self.queue, self.threads, self.channels, self.metrics
            ),
        )
        bodies = [*DEVICE_REQUESTS.values(), ApiKeyIn]
        return application(routers, lenient, self._kinds, bodies, self._ids)


# Seconds that the last commits get when the service stops.
_FLUSH = 5.0
