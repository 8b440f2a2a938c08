"""The whole service: built from the settings, started, stopped."""

import asyncio
from datetime import timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import structlog
from starlette.types import ASGIApp

from flashnotify.app.api import api_of
from flashnotify.app.delivering import digests_of, planner_of, worker_pools
from flashnotify.app.identity import Identity, identity_of
from flashnotify.app.people import People, people_of
from flashnotify.app.transports import open_channels
from flashnotify.archive import schema
from flashnotify.archive.sql_archive import SqlArchive
from flashnotify.archive.sqlite.engine import open_readers, open_writer
from flashnotify.archive.sqlite.lock import ArchiveLock
from flashnotify.archive.sqlite.placement import location_warnings
from flashnotify.archive.sqlite.transactions import SqliteTransactions
from flashnotify.archive.writer import Writer
from flashnotify.channels.transport import CaptureTransport
from flashnotify.clock import Clock, SystemClock
from flashnotify.delivery.decision import Decider
from flashnotify.delivery.direct_messages import DirectMessages
from flashnotify.delivery.in_flight import InFlight
from flashnotify.delivery.sender import Sender
from flashnotify.domain import Lane, Priority
from flashnotify.identity.secret import Secret
from flashnotify.ids import UUIDv7
from flashnotify.meta.registry import (
    CHANNELS,
    CONFIGS,
    INTERNAL_NOTIFIERS,
    INTERNAL_TEMPLATES,
    NOTIFIERS,
    TEMPLATES,
    Registry,
)
from flashnotify.meta.specs import NotifierSpec, TemplatesSpec
from flashnotify.people.refused_addresses import RefusedAddresses
from flashnotify.people.unsubscribe_links import UnsubscribeLinks
from flashnotify.queue.dispatch import Dispatch
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from flashnotify.runtime.maintenance import Maintenance
from flashnotify.runtime.scheduler import Scheduler
from flashnotify.runtime.supervisor import Supervisor
from flashnotify.runtime.watch import PART as WATCH
from flashnotify.runtime.watch import Watch
from flashnotify.settings import KEY_FILE, ServiceConfig
from flashnotify.telemetry.events import Events
from flashnotify.telemetry.inbox_feed import InboxFeed
from flashnotify.telemetry.long_polling import LongPolling
from flashnotify.telemetry.metrics import Metrics
from flashnotify.time_slices import TimeSlices

log = structlog.get_logger(__name__)

_REGISTRIES = (CHANNELS, CONFIGS, NOTIFIERS, TEMPLATES, INTERNAL_NOTIFIERS, INTERNAL_TEMPLATES)
# Seconds that the last commits get when the service stops.
_FLUSH = 5.0


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
        # With those that only this service sends.
        self.every_kind = kinds.with_others(INTERNAL_NOTIFIERS)
        self.zone = ZoneInfo(config.timezone)
        # Made when first used, once the archive's lock is taken.
        self.secret = Secret(config.pepper, config.previous_peppers())
        self.unsubscribe_links = UnsubscribeLinks(self.secret, config.public_url)
        self.lock = ArchiveLock(config.archive_file)
        self.supervisor = Supervisor()
        self.metrics = Metrics(kinds.values(), transport_names=config.metrics_transport_names)
        self.threads = ThreadPoolQueue(config.threads)
        # For host names that callers give: few, since each look-up may take half a minute.
        self.names = ThreadPoolQueue(4, spare=8)
        # For passwords: each thread holds 19 MiB meanwhile, and a long queue is of no use.
        self.hashing = ThreadPoolQueue(2, spare=2, bound=200)
        self._writing = open_writer(config.archive)
        self.writer = Writer(SqliteTransactions(self._writing), self.clock)
        # People who look at lists wait for connections of their own.
        readers, lists = open_readers(config.archive), open_readers(config.archive)
        self.archive = SqlArchive(readers, lists, self.writer)
        self.channels = open_channels(self)
        self.transports = [t.transport for c in self.channels.values() for t in c.transports]
        self.in_flight = InFlight()
        self.dispatch = Dispatch(self.channels, config.queue_bound)
        self.scheduler = Scheduler(self.dispatch, self.archive.jobs, self.clock)
        self.maintenance = Maintenance(
            self.every_kind,
            self.archive.maintenance,
            self.clock,
            timedelta(days=config.retention_days),
        )
        in_place = self.lock.in_place
        self.watch = Watch(config.archive_file, in_place, self.supervisor, self.clock)
        self.writer.when_committed(self.watch.check_file)
        self.refused = RefusedAddresses(self.archive.refused_addresses, self.clock, self.ids)
        self.decider = Decider(self.in_flight, self.zone, self.clock, self.refused)
        self.planner = planner_of(self)
        sender = Sender(self.clock, self.metrics)
        self.pools = worker_pools(self, sender)
        self.direct_messages = DirectMessages(self.channels, sender, self.clock, self.ids)
        self.digests = digests_of(self)
        self.events = Events(self.archive.events, self.clock)
        self.long_polling = LongPolling(self.events, self.clock)
        self.inbox_feed = InboxFeed(self.archive.inbox, self.clock)

    async def open(self) -> None:
        """Take the archive, and migrate it. Raise `ArchiveLocked` if another process has it."""
        for registry in _REGISTRIES:
            registry.freeze()
        for doubt in location_warnings(self.config.archive_file, self.config.beside(KEY_FILE)):
            log.warning("archive.doubtful", doubt=doubt)
        self.lock.acquire()
        await schema.upgrade(self.config.archive)
        if (latest := await self.archive.events.latest()) is not None:
            self.clock.resume(latest)
        await self.refused.load()
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
        self.supervisor.start("digests", self.digests.run())
        for name, pool in self.pools.items():
            self.supervisor.start(name, pool.run())

    async def drain(self) -> None:
        """Stop accepting, and finish what is in flight within `drain_seconds`."""
        self.supervisor.stopping()
        # First: an open stream would hold up the end of the server.
        self.events.close()
        self.inbox_feed.close()
        self.dispatch.close()
        for loop in ("scheduler", "maintenance", "digests", WATCH):
            await self.supervisor.stop(loop, within=0)
        within = self.config.drain_seconds
        await asyncio.gather(*(self.supervisor.stop(pool, within=within) for pool in self.pools))

    async def close(self) -> None:
        """Write what has been handed over, and release everything."""
        self.supervisor.stopping()
        # Those that were not drained: none may read once the connections are closed.
        for part in set(self.supervisor.tasks) - {"writer"}:
            await self.supervisor.stop(part, within=0)
        if "identity" in self.__dict__:
            await self.identity.close()
        self.writer.close()
        await self.supervisor.stop("writer", within=_FLUSH)
        self.threads.close()
        self.names.close()
        self.hashing.close()
        for transport in self.transports:
            await transport.close()
        # Readers first: the last connection to close checkpoints the log, and only the writer may.
        await self.archive.close()
        await self._writing.dispose()
        self.lock.release()

    @cached_property
    def identity(self) -> Identity:
        """Who may use this service. Only after `open`, since it may create the secret key."""
        return identity_of(self)

    @cached_property
    def people(self) -> People:
        """The people whom this service notifies. Only after `open`, as `identity`."""
        return people_of(self)

    def app(self) -> ASGIApp:
        """Return the ASGI app that serves the API of this service."""
        return api_of(self)
