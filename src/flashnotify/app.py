"""The composition root: alone knows which notifiers, channels and transports exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.types import ASGIApp

from flashnotify import __version__, notifiers, templates
from flashnotify.api.api_keys import api_keys_router
from flashnotify.api.health import health_router
from flashnotify.api.notifications import notifications_router
from flashnotify.api.openapi import openapi_document
from flashnotify.api.outbox import outbox_router
from flashnotify.api.problems import RequestBoundary, install
from flashnotify.api.requests import authentication
from flashnotify.archive import schema
from flashnotify.archive.engine import open_readers, open_writer
from flashnotify.archive.lock import ArchiveLock
from flashnotify.archive.reader import Reader
from flashnotify.archive.writer import Writer
from flashnotify.audience import Audience
from flashnotify.auth.keys import ApiKeys
from flashnotify.auth.permissions import known_scopes
from flashnotify.breaker import Breaker
from flashnotify.channels.base import Transport, TransportURL
from flashnotify.channels.capture import CaptureTransport
from flashnotify.channels.smtp import SmtpTransport
from flashnotify.clock import Clock, SystemClock
from flashnotify.delivery import Delivery
from flashnotify.domain import Job, UUIDv7
from flashnotify.errors import DeclarationError, SettingsError
from flashnotify.expansion import Expansion
from flashnotify.meta.configs import Config
from flashnotify.meta.registry import CHANNELS, CONFIGS, NOTIFIERS, TEMPLATES, Registry
from flashnotify.meta.specs import ChannelSpec, NotifierSpec, TemplatesSpec
from flashnotify.metrics import Metrics
from flashnotify.queue.async_queue import AsyncQueue
from flashnotify.scheduler import Scheduler
from flashnotify.sending import OpenChannel, Outlet, Sending
from flashnotify.settings import ServiceConfig
from flashnotify.submission import Limits, Submission
from flashnotify.supervision import Supervisor
from flashnotify.workers import WorkerPool

log = structlog.get_logger(__name__)

# Importing them registers what they declare.
DECLARATIONS = (notifiers, templates)

# A transport is registered here, for each channel that it serves.
TRANSPORTS: Mapping[str, Sequence[type[Transport[Any]]]] = {
    "email": (SmtpTransport, CaptureTransport),
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
        for kind in kinds:
            if kind.kind not in wordings:
                name = kind.notifier.__name__
                raise DeclarationError(
                    f"{name}: has no templates; write `class "
                    f"{name.removesuffix('Notifier')}Templates(Templates, of={name}): …`."
                )
        self.config = config
        self.clock = clock = clock or SystemClock()
        self.lock = ArchiveLock(config.archive_file)
        self.supervisor = Supervisor()
        self.metrics = Metrics(kinds)
        self.channels = {
            channel.__channel__.name: _open_channel(channel.__channel__, clock)
            for channel in CHANNELS
        }
        self._engines = (open_readers(config.archive), open_writer(config.archive))
        self.reader = Reader(self._engines[0])
        self.writer = Writer(self._engines[1], clock)
        self.queue: AsyncQueue[Job] = AsyncQueue(config.queue_bound)
        self.scheduler = Scheduler(self.queue, self.reader, self.writer, clock)
        ids = UUIDv7(clock.now)
        sending = Sending(clock, ids, self.metrics)
        self.pool = WorkerPool(
            config.workers,
            self.queue,
            Expansion(kinds, self.reader, self.writer, clock, ids),
            Delivery(kinds, wordings, self.channels, self.reader, self.writer, sending, clock),
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
        self.queue.close()
        await self.supervisor.stop("scheduler", within=0)
        await self.supervisor.stop("workers", within=self.config.drain_seconds)

    async def close(self) -> None:
        """Write what has been handed over, and let go of everything."""
        self.supervisor.stopping()
        self.writer.close()
        await self.supervisor.stop("writer", within=_FLUSH)
        for channel in self.channels.values():
            for outlet in channel.outlets:
                await outlet.transport.close()
        # Readers first: the last connection to close checkpoints the log, and that is the writer's.
        for engine in self._engines:
            await engine.dispose()
        self.lock.release()

    def app(self) -> ASGIApp:
        """The ASGI app that serves the API of this service."""
        config = self.config
        keys = ApiKeys(self.reader, self.writer, self.clock, config.pepper())
        submission = Submission(
            self._kinds,
            self._wordings,
            Audience({c.spec.scheme: c.spec.address for c in self.channels.values()}),
            self.reader,
            self.writer,
            self.supervisor,
            self.queue,
            self.scheduler.notice,
            self.clock,
            self._ids,
            Limits(config.max_title_length, config.max_body_bytes, config.max_recipients),
            config.locale,
            self.metrics,
        )
        authenticate = authentication(keys)
        app = FastAPI(title="FlashNotify", version=__version__, docs_url=None, redoc_url=None)
        for router in (
            notifications_router(submission, self.reader, authenticate, config.max_request_bytes),
            outbox_router(self.reader, authenticate),
            api_keys_router(
                keys,
                known_scopes(self._kinds),
                self.clock,
                authenticate,
                config.max_request_bytes,
            ),
            health_router(self.supervisor, self.reader, self.queue, self.channels, self.metrics),
        ):
            app.include_router(router)
        install(app)
        document = openapi_document(app, self._kinds)
        app.openapi = lambda: document  # type: ignore[method-assign]  # the way FastAPI documents
        return RequestBoundary(app, self._ids)


# Seconds that the last commits get when the service stops.
_FLUSH = 5.0


def _open_channel(spec: ChannelSpec, clock: Clock) -> OpenChannel:
    """A channel with the transports that its settings name.

    Raises:
        SettingsError: some URL cannot work.
    """
    assert spec.config is not None
    config = spec.config()
    variable = next(s.env for s in spec.config.__config__.settings if s.attribute == "url")
    known = TRANSPORTS[spec.name]
    configs = {transport: transport.config() if transport.config else None for transport in known}
    try:
        transports = [
            _open_transport(SecretStr(url), configs)
            for url in config.url.get_secret_value().split()
        ]
        if not transports:
            raise SettingsError("names no transport")
    except SettingsError as error:
        example = known[0].example
        raise SettingsError(f"{variable}: {error}. Example: {variable}={example}") from None
    outlets = [Outlet(transport, Breaker(spec.breaker, clock)) for transport in transports]
    return OpenChannel(spec, config, outlets)


def _open_transport(
    setting: SecretStr, configs: Mapping[type[Transport[Any]], Config | None]
) -> Transport[Any]:
    """The transport of a URL, one of those that `configs` has the settings of."""
    url = TransportURL(setting)
    for transport, config in configs.items():
        if url.scheme in transport.schemes:
            return transport(url, config)
    schemes = ", ".join(f"{scheme}://" for transport in configs for scheme in transport.schemes)
    raise SettingsError(f"has a URL of no known transport; the transports are {schemes}")
