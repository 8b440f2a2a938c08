"""The composition root: alone knows which notifiers, channels and transports exist."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import structlog
from limits import parse as parse_rate
from starlette.types import ASGIApp

from flashnotify import kinds
from flashnotify.api.api_keys import ApiKeyIn, api_keys_router
from flashnotify.api.application import application
from flashnotify.api.auth import Authentication
from flashnotify.api.batch import batch_router
from flashnotify.api.deliveries import deliveries_router
from flashnotify.api.devices import DEVICE_REQUESTS, devices_router
from flashnotify.api.events import events_router
from flashnotify.api.health import health_router
from flashnotify.api.kinds import kinds_router
from flashnotify.api.notifications import control_router, notifications_router
from flashnotify.api.notify import text_router
from flashnotify.api.outbox import outbox_router
from flashnotify.api.queue import queue_router
from flashnotify.api.receipts import receipts_router
from flashnotify.api.statistics import statistics_router
from flashnotify.archive import schema
from flashnotify.archive.sql_archive import SqlArchive
from flashnotify.archive.sqlite.engine import open_readers, open_writer
from flashnotify.archive.sqlite.lock import ArchiveLock
from flashnotify.archive.sqlite.placement import location_warnings
from flashnotify.archive.sqlite.transactions import SqliteTransactions
from flashnotify.archive.writer import Writer
from flashnotify.channels.chat.apprise import AppriseTransport
from flashnotify.channels.email.smtp.transport import SmtpTransport
from flashnotify.channels.net.address_guard import PublicAddresses
from flashnotify.channels.net.name_lookup import NameLookup
from flashnotify.channels.push.channel import PushNotificationMixin
from flashnotify.channels.push.ntfy import NtfyTransport
from flashnotify.channels.push.webpush import WebPushConfig, WebPushTransport
from flashnotify.channels.sms.http_json import HttpJsonTransport
from flashnotify.channels.sms.kannel import KannelTransport
from flashnotify.channels.transport import CaptureTransport, Resources, Transport
from flashnotify.clock import Clock, SystemClock
from flashnotify.control.cancel_and_retry import CancelAndRetry
from flashnotify.delivery.decision import Decider
from flashnotify.delivery.executor import Executor
from flashnotify.delivery.fan_out import FanOut
from flashnotify.delivery.in_flight import InFlight
from flashnotify.delivery.planner import Planner
from flashnotify.delivery.receipts import Receipts
from flashnotify.delivery.rendering import Renderer
from flashnotify.delivery.routing import Routing
from flashnotify.delivery.sender import Sender
from flashnotify.delivery.transports import OpenChannel, open_channel
from flashnotify.domain import Job, Lane, Priority
from flashnotify.identity.api_keys import ApiKeys
from flashnotify.identity.principal import known_scopes
from flashnotify.identity.rate_limits import RateLimits
from flashnotify.identity.secret import Secret
from flashnotify.ids import UUIDv7
from flashnotify.intake.audience import Audience
from flashnotify.intake.bulk import Bulk
from flashnotify.intake.idempotency import Idempotency
from flashnotify.intake.submission import Submission
from flashnotify.intake.validation import Limits, Validation
from flashnotify.meta.registry import CHANNELS, CONFIGS, NOTIFIERS, TEMPLATES, Registry
from flashnotify.meta.specs import NotifierSpec, TemplatesSpec
from flashnotify.queue.dispatch import Dispatch
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from flashnotify.runtime.maintenance import Maintenance
from flashnotify.runtime.scheduler import Scheduler
from flashnotify.runtime.supervisor import Supervisor
from flashnotify.runtime.watch import PART as WATCH
from flashnotify.runtime.watch import Watch
from flashnotify.runtime.worker_pool import WorkerPool
from flashnotify.settings import KEY_FILE, ServiceConfig
from flashnotify.telemetry.events import Events
from flashnotify.telemetry.long_polling import LongPolling
from flashnotify.telemetry.metrics import Metrics
from flashnotify.time_slices import TimeSlices

log = structlog.get_logger(__name__)

# Bodies of the largest size for which there is memory at once.
_LARGEST_BODIES = 4
# Tasks that fan notifications out.
_FAN_OUTS = 4
# Seconds that the last commits get when the service stops.
_FLUSH = 5.0

# Importing them registers them.
DECLARATIONS = (kinds,)

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
        self.clock = clock or SystemClock()
        self.ids = UUIDv7(self.clock.now)
        self.slices = TimeSlices()
        self.kinds = kinds
        self.wordings = wordings
        self.zone = ZoneInfo(config.timezone)
        # Made when first used, once the archive's lock is taken.
        self.secret = Secret(config.pepper)
        self.lock = ArchiveLock(config.archive_file)
        self.supervisor = Supervisor()
        self.metrics = Metrics(kinds.values(), transport_names=config.metrics_transport_names)
        self.threads = ThreadPoolQueue(config.threads)
        # For host names that callers give: few, since each look-up may take half a minute.
        self.names = ThreadPoolQueue(4, spare=8)
        self._writing = open_writer(config.archive)
        self.writer = Writer(SqliteTransactions(self._writing), self.clock)
        # People who look at lists wait for connections of their own.
        readers, lists = open_readers(config.archive), open_readers(config.archive)
        self.archive = SqlArchive(readers, lists, self.writer)
        self.channels = _open_channels(self)
        self.transports = [t.transport for c in self.channels.values() for t in c.transports]
        self.in_flight = InFlight()
        self.dispatch = Dispatch(self.channels, config.queue_bound)
        self.scheduler = Scheduler(self.dispatch, self.archive.jobs, self.clock)
        self.maintenance = Maintenance(
            kinds, self.archive.maintenance, self.clock, timedelta(days=config.retention_days)
        )
        in_place = self.lock.in_place
        self.watch = Watch(config.archive_file, in_place, self.supervisor, self.clock)
        self.writer.when_committed(self.watch.check_file)
        self.decider = Decider(self.in_flight, self.zone, self.clock)
        self.planner = _planner(self)
        self.pools = _pools(self)
        self.events = Events(self.archive.events, self.clock)
        self.long_polling = LongPolling(self.events, self.clock)

    async def open(self) -> None:
        """Take the archive, and migrate it. Raise `ArchiveLocked` if another process has it."""
        for registry in (CHANNELS, CONFIGS, NOTIFIERS, TEMPLATES):
            registry.freeze()
        for doubt in location_warnings(self.config.archive_file, self.config.beside(KEY_FILE)):
            log.warning("archive.doubtful", doubt=doubt)
        self.lock.acquire()
        await schema.upgrade(self.config.archive)
        if (latest := await self.archive.events.latest()) is not None:
            self.clock.resume(latest)
        self.supervisor.start("writer", self.writer.run())
        self.supervisor.start(WATCH, self.watch.run())

    async def start(self) -> None:
        """Start to deliver; unfinished work comes first."""
        for name, channel in self.channels.items():
            if any(isinstance(t.transport, CaptureTransport) for t in channel.transports):
                meaning = "messages are kept in the outbox, nothing leaves this machine"
                log.warning("channel.captured", channel=name, meaning=meaning)
        for name in await self.archive.jobs.channels() - set(self.channels):
            # No longer declared: its batches end as skipped.
            for priority in Priority:
                self.scheduler.wake_up(Lane(name, priority), 0)
        self.supervisor.start("scheduler", self.scheduler.run())
        self.supervisor.start("maintenance", self.maintenance.run())
        for name, pool in self.pools.items():
            self.supervisor.start(name, pool.run())

    async def drain(self) -> None:
        """Stop accepting, and finish what is in flight within `drain_seconds`."""
        self.supervisor.stopping()
        # First: an open stream would hold up the end of the server.
        self.events.close()
        self.dispatch.close()
        for loop in ("scheduler", "maintenance", WATCH):
            await self.supervisor.stop(loop, within=0)
        within = self.config.drain_seconds
        await asyncio.gather(*(self.supervisor.stop(pool, within=within) for pool in self.pools))

    async def close(self) -> None:
        """Write what has been handed over, and release everything."""
        self.supervisor.stopping()
        # Those that were not drained: none may read once the connections are closed.
        for part in set(self.supervisor.tasks) - {"writer"}:
            await self.supervisor.stop(part, within=0)
        self.writer.close()
        await self.supervisor.stop("writer", within=_FLUSH)
        self.threads.close()
        self.names.close()
        for transport in self.transports:
            await transport.close()
        # Readers first: the last connection to close checkpoints the log, and only the writer may.
        await self.archive.close()
        await self._writing.dispose()
        self.lock.release()

    def app(self) -> ASGIApp:
        """Return the ASGI app that serves the API of this service."""
        return _api(self)


def _open_channels(service: Service) -> dict[str, OpenChannel]:
    config, clock, threads, names = service.config, service.clock, service.threads, service.names
    resources = Resources(
        clock, threads, names, config.beside, config.public_url, service.secret.token
    )
    specs = [channel.__channel__ for channel in CHANNELS.values()]
    return {
        spec.name: open_channel(spec, TRANSPORTS.get(spec.name, ()), resources) for spec in specs
    }


def _pools(service: Service) -> Mapping[str, WorkerPool]:
    config, archive, clock, ids = service.config, service.archive, service.clock, service.ids
    kinds, channels, dispatch = service.kinds, service.channels, service.dispatch
    zone, in_flight, decider = service.zone, service.in_flight, service.decider
    # UTC is no campus's time: while none is set, a sender's own offset is nearer to it.
    renderer = Renderer(kinds, service.wordings, zone if config.timezone != "UTC" else None)
    sender = Sender(clock, service.metrics)
    executor = Executor(
        *(archive, kinds, channels, decider, renderer, sender, in_flight, clock, ids),
        most_strangers=config.workers // 2,
    )
    fan_out = FanOut(archive, service.planner, clock)

    async def fan_out_or_batch(job: Job, release: Callable[[], None]) -> int | None:
        # Batches of a channel that is no longer declared come here too, to end as skipped.
        if job.channel is not None:
            return await executor.execute(job, release)
        await fan_out.execute(job)
        return None

    def pool(channel: str | None) -> WorkerPool:
        size, execute = config.workers, executor.execute
        if channel is None:
            size, execute = _FAN_OUTS, fan_out_or_batch
        queue = dispatch.queue(channel)
        return WorkerPool(size, queue, execute, dispatch.wake_up, in_flight, clock)

    return {f"workers {channel or 'fan-out'}": pool(channel) for channel in (None, *channels)}


def _planner(service: Service) -> Planner:
    dispatch, clock, ids = service.dispatch, service.clock, service.ids
    routing = Routing({name: channel.spec for name, channel in service.channels.items()})
    return Planner(service.kinds, routing, service.decider, dispatch, clock, ids)


def _submission(service: Service) -> Submission:
    config, archive, clock = service.config, service.archive, service.clock
    channels = service.channels.values()
    audience = Audience(
        {channel.spec.scheme: channel.check_address for channel in channels},
        {PushNotificationMixin.scheme: archive.devices.find_all},
        service.slices,
    )
    limits = Limits(config.max_title_length, config.max_body_bytes, config.max_recipients)
    validation = Validation(service.kinds, service.wordings, audience, limits, service.zone)
    once = Idempotency(archive.notifications, clock, service.slices)
    parts, planner, metrics = service.supervisor, service.planner, service.metrics
    return Submission(
        *(validation, archive, once, parts, planner, metrics, clock, service.ids, config.locale),
        service.slices,
    )


def _api(service: Service) -> ASGIApp:
    config, archive, clock, ids = service.config, service.archive, service.clock, service.ids
    kinds, channels, dispatch = service.kinds, service.channels, service.dispatch
    keys = ApiKeys(archive.api_keys, clock, service.secret.key)
    submission, polling = _submission(service), service.long_polling
    purging = service.maintenance.purging
    control = CancelAndRetry(archive, dispatch, service.in_flight, clock, ids, purging)
    addresses, names = PublicAddresses(WebPushConfig().allowed_networks), NameLookup(service.names)
    web_push = (t for t in service.transports if isinstance(t, WebPushTransport))
    vapid_key = next((transport.public_key for transport in web_push), None)
    notifications, parts, metrics = archive.notifications, service.supervisor, service.metrics
    max_bytes, max_batch_bytes = config.max_request_bytes, config.max_batch_bytes
    routers = (
        batch_router(Bulk(submission, config.max_batch), max_batch_bytes, max_bytes),
        notifications_router(submission, notifications, polling, max_bytes),
        deliveries_router(archive, service.in_flight, channels, service.slices),
        control_router(control, notifications),
        outbox_router(archive.outbox, notifications, polling, service.slices),
        receipts_router(Receipts(archive, clock, service.secret.token)),
        events_router(service.events, keys),
        kinds_router(kinds.values(), channels),
        queue_router(archive.statistics, dispatch, archive.jobs, clock),
        statistics_router(archive.statistics, clock),
        devices_router(archive.devices, clock, ids, addresses, names, vapid_key, service.slices),
        api_keys_router(keys, known_scopes(kinds.values()), clock, max_bytes, service.slices),
        text_router(submission, notifications, polling, kinds, max_bytes, config.max_title_length),
        health_router(parts, archive, dispatch, service.threads, channels, metrics, clock),
    )
    bodies = [*DEVICE_REQUESTS.values(), ApiKeyIn]
    authentication = Authentication(keys, RateLimits(parse_rate(config.rate_limit), clock))
    memory = _LARGEST_BODIES * max(max_batch_bytes, max_bytes)
    zone, proxies = service.zone, config.trusted_proxies
    prefix = urlsplit(config.public_url).path.rstrip("/")
    return application(routers, authentication, kinds, bodies, zone, memory, prefix, proxies)
