"""`flashnotify serve`: run the service until it is stopped or a part of it fails."""

import asyncio
import contextlib
import gc
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

import anyio
import anyio.lowlevel
import structlog
import typer
import uvloop
from starlette.types import ASGIApp

from flashnotify.api.middleware import LocalSocket
from flashnotify.app import Service
from flashnotify.channels.url import base_url
from flashnotify.cli import trial
from flashnotify.cli.connection_limits import ConnectionLimits, connections_within
from flashnotify.cli.sockets import listen, listen_locally
from flashnotify.cli.uvicorn_server import Server
from flashnotify.identity.first_start import FirstAdmin, create_first_admin, note_secret_key
from flashnotify.meta.registry import CONFIGS
from flashnotify.settings import ServiceConfig, given_names, unknown_names
from flashnotify.telemetry import logs

log = structlog.get_logger(__name__)

# Called with the app, the port and the first admin, if one was made, once the service answers.
Welcome = Callable[[ASGIApp, int, FirstAdmin | None], Awaitable[None]]
# Higher than Python's own, with which the garbage collector took 5 % of the CPU time; with much
# higher ones, a collection would hold the event loop for too long.
GC_THRESHOLDS = 5000, 5, 10
# Connections to the local socket at once.
_LOCAL_CONNECTIONS = 64
# Seconds for which a failed service still answers, so that `/readyz` and 503s tell clients why.
_FAILURE_GRACE = 2.0


def serve(
    hosts: Annotated[
        list[str],
        typer.Option(
            "--host",
            help="Address or name to listen on; can be repeated. `::`: all of IPv4 and IPv6.",
        ),
    ] = ["127.0.0.1"],  # noqa: B006  # typer copies it
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on (0: any).")] = 8000,
    show_trial: Annotated[
        bool, typer.Option("--trial", help="Print a trial API key and example commands.")
    ] = False,
) -> None:
    """Run the service."""
    config = settings_at(port)
    logs.configure(config.log_format)
    for name, nearest in unknown_names(CONFIGS, given_names()).items():
        log.warning("settings.unknown", name=name, did_you_mean=nearest)

    async def welcome(app: ASGIApp, port: int, admin: FirstAdmin | None) -> None:
        # Loaded on first use, which would hold the event loop for 0.05 s.
        await asyncio.to_thread(anyio.run, anyio.lowlevel.checkpoint)
        # Exclude long-lived objects from collections, which would block the loop for 0.1 s.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        if show_trial:
            await trial.show(app, port, admin, config=config, host=hosts[0])
        elif admin is not None:
            print(trial.sign_in(base_url("http", hosts[0], port), admin), flush=True)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(run(Service(config), hosts, port, welcome))
    raise typer.Exit(code)


def settings_at(port: int) -> ServiceConfig:
    """Return the settings. Links lead to `port`, unless a public URL is set or the port unknown."""
    if port == 0 or "FLASHNOTIFY_PUBLIC_URL" in given_names():
        return ServiceConfig()
    return ServiceConfig(public_url=base_url("http", "127.0.0.1", port))


def _allow_many_connections() -> int:
    """Raise the limit on open files to the system's maximum, and return it: shells allow 1024."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems report a limit that they do not accept.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if allowed == resource.RLIM_INFINITY else allowed


async def run(
    service: Service,
    hosts: Sequence[str],
    port: int,
    welcome: Welcome | None = None,
    *,
    once: bool = False,
) -> int:
    """Serve until SIGTERM, SIGINT or the failure of a part, and return the exit code.

    With `once`, stop after `welcome`.
    """
    stop = asyncio.Event()
    total = connections_within(_allow_many_connections())
    servers: list[Server] = []
    with contextlib.ExitStack() as stack:
        # Until the very end: a second signal must not interrupt the last commits.
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
            stack.callback(asyncio.get_running_loop().remove_signal_handler, number)
        try:
            await service.open()
            app = service.app()
            admin = await _first_start(service)
            network = [stack.enter_context(each) for each in listen(hosts, port)]
            local = stack.enter_context(listen_locally(service.config.socket))
            port = network[0].getsockname()[1]
            await service.start()
            servers += (
                Server(app, network, ConnectionLimits(total, service.config.trusted_proxies)),
                Server(LocalSocket(app), [local], ConnectionLimits(_LOCAL_CONNECTIONS)),
            )
            if welcome is not None:
                await welcome(app, port, admin)
            if once:
                stop.set()
            log.info("serve.started", host=", ".join(hosts), port=port)
            await _first(stop, service.supervisor.failed, servers)
            log.info("serve.stopping")
            if service.supervisor.failures:
                # Tell monitoring and senders why, instead of refusing their connections.
                await service.clock.wait(stop, _FAILURE_GRACE)
            # Together: a request in progress may wait for work that the workers finish.
            drain = service.config.drain_seconds
            await asyncio.gather(service.drain(), *(server.stop(drain) for server in servers))
            service.config.socket.unlink(missing_ok=True)
        finally:
            # Already done unless an exception skipped it.
            service.events.close()
            await asyncio.gather(*(server.stop(0) for server in servers), return_exceptions=True)
            await service.close()
    return 1 if service.supervisor.failures else 0


async def _first_start(service: Service) -> FirstAdmin | None:
    """Do what a new archive, or a new secret key, needs before anybody asks."""
    identity, config = service.identity, service.config
    await note_secret_key(identity.audit, service.secret)
    password = config.admin_password and config.admin_password.get_secret_value()
    users, passwords = identity.users, identity.passwords
    return await create_first_admin(users, passwords, config.admin_email, password or None)


async def _first(stop: asyncio.Event, failed: asyncio.Event, servers: list[Server]) -> None:
    """Wait until the service should stop, a part has failed or a server has ended."""
    events = [asyncio.create_task(event.wait()) for event in (stop, failed)]
    tasks = [*events, *(server.task for server in servers)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for event in events:
            event.cancel()
