"""`flashnotify serve`: run the service until it is stopped or a part of it fails."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop
from starlette.types import ASGIApp

from flashnotify.api.middleware import LocalSocket
from flashnotify.app import Service
from flashnotify.cli import trial
from flashnotify.cli.uvicorn_server import Server
from flashnotify.errors import SettingsError
from flashnotify.meta.registry import CONFIGS
from flashnotify.settings import ServiceConfig, given_names, unknown_names
from flashnotify.telemetry import logs

log = structlog.get_logger(__name__)

# Called with the app and the port once the service answers.
Welcome = Callable[[ASGIApp, int], Awaitable[None]]
# The longest path of a Unix socket, in bytes (unix(7)).
_MAX_SOCKET_PATH = 107
# Seconds for which a failed service still answers, so that `/readyz` and 503s tell clients why.
_FAILURE_GRACE = 2.0


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on (0: any).")] = 8000,
    show_trial: Annotated[
        bool, typer.Option("--trial", help="Print a trial API key and example commands.")
    ] = False,
) -> None:
    """Run the service."""
    config = ServiceConfig()
    logs.configure(config.log_format)
    for name, nearest in unknown_names(CONFIGS, given_names()).items():
        log.warning("settings.unknown", name=name, did_you_mean=nearest)
    _allow_many_connections()

    async def welcome(app: ASGIApp, port: int) -> None:
        # Exclude long-lived objects from collections, which would block the loop for 0.1 s.
        gc.collect()
        gc.freeze()
        if show_trial:
            await trial.show(app, port, config=config, host=host)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(run(Service(config), host, port, welcome))
    raise typer.Exit(code)


def _allow_many_connections() -> None:
    """Raise the limit on open files to the system's maximum: shells allow only 1024."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems report a limit that they do not accept.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


async def run(
    service: Service, host: str, port: int, welcome: Welcome | None = None, *, once: bool = False
) -> int:
    """Serve until SIGTERM, SIGINT or the failure of a part, and return the exit code.

    With `once`, stop after `welcome`.
    """
    stop = asyncio.Event()
    servers: list[Server] = []
    with contextlib.ExitStack() as stack:
        # Until the very end: a second signal must not interrupt the last commits.
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
            stack.callback(asyncio.get_running_loop().remove_signal_handler, number)
        try:
            await service.open()
            app = service.app()
            network = stack.enter_context(_listen(host, port))
            local = stack.enter_context(_listen_locally(service.config.socket))
            await service.start()
            servers += Server(app, network), Server(LocalSocket(app), local)
            if welcome is not None:
                await welcome(app, network.getsockname()[1])
            if once:
                stop.set()
            log.info("serve.started", host=host, port=network.getsockname()[1])
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


async def _first(stop: asyncio.Event, failed: asyncio.Event, servers: list[Server]) -> None:
    """Wait until the service should stop, a part has failed or a server has ended."""
    events = [asyncio.create_task(event.wait()) for event in (stop, failed)]
    tasks = [*events, *(server.task for server in servers)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for event in events:
            event.cancel()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"cannot listen on {host} port {port}: {error}. Choose another with --host and --port."
        ) from None


def _listen_locally(path: Path) -> socket.socket:
    """Open the command line's socket, replacing a stale one: we hold the archive's lock."""
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
        raise SettingsError(
            f"{path} is too long for a Unix socket. Give FLASHNOTIFY_DATABASE_URL a shorter path."
        )
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    umask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(umask)
    listener.listen(128)
    return listener
