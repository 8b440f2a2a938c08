"""`flashnotify serve`: run the service until it is told to stop, or a part of it fails."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvicorn
import uvloop
from starlette.types import ASGIApp

from flashnotify.api.requests import LocalSocket
from flashnotify.app import Service
from flashnotify.cli import trial
from flashnotify.cli.bounded_http import BoundedHttp
from flashnotify.errors import SettingsError
from flashnotify.meta.registry import CONFIGS
from flashnotify.settings import ServiceConfig, given_names, unknown_names
from flashnotify.telemetry import logs

log = structlog.get_logger(__name__)

# What is done once the service answers: it is given the app and the port.
Welcome = Callable[[ASGIApp, int], Awaitable[None]]
# The most that a path of a Unix socket may have, with its end (unix(7)).
_SOCKET_PATH = 107
# Seconds in which a service that has failed still answers: `/readyz` that, and senders 503.
_LAST_WORDS = 2.0


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("serve")(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any.")] = 8000,
    show_trial: Annotated[
        bool, typer.Option("--trial", help="Print a trial API key and what to do with it.")
    ] = False,
) -> None:
    """Run the service."""
    config = ServiceConfig()
    logs.configure(config.log_format)
    for name, nearest in unknown_names(CONFIGS, given_names()).items():
        log.warning("settings.unknown", name=name, did_you_mean=nearest)

    _allow_many_connections()

    async def welcome(app: ASGIApp, port: int) -> None:
        _spare_collections()
        if show_trial:
            await trial.show(app, port, config=config, host=host)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(run(Service(config), host, port, welcome))
    raise typer.Exit(code)


def _allow_many_connections() -> None:
    """Let the process open as many files as the system allows: shells give it 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems name a limit that they do not take.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _spare_collections() -> None:
    """Keep the garbage collector off what stays for ever: it would hold the loop for 0.1 s."""
    gc.collect()
    gc.freeze()


async def run(
    service: Service, host: str, port: int, welcome: Welcome | None = None, *, once: bool = False
) -> int:
    """Serve until SIGTERM or SIGINT, or the failure of a part; the exit code.

    With `once` it ends by itself after the `welcome`.
    """
    stop = asyncio.Event()
    servers: list[_Server] = []
    # To the very end: a second signal must not break off the last commits.
    with _signals_set(stop), contextlib.ExitStack() as listeners:
        try:
            await service.open()
            app = service.app()
            network = listeners.enter_context(_listen(host, port))
            local = listeners.enter_context(_listen_locally(service.config.socket))
            await service.start()
            servers += _Server(app, network), _Server(LocalSocket(app), local)
            if welcome is not None:
                await welcome(app, network.getsockname()[1])
            if once:
                stop.set()
            log.info("serve.started", host=host, port=network.getsockname()[1])
            await _first(stop, service.supervisor.failed, servers)
            log.info("serve.stopping")
            if service.supervisor.failures:
                # Whoever watches or sends is told why, rather than to find nobody there.
                await service.clock.wait(stop, _LAST_WORDS)
            # Together: a request that is being answered may wait for what the workers finish.
            drain = service.config.drain_seconds
            await asyncio.gather(service.drain(), *(server.stop(drain) for server in servers))
            service.config.socket.unlink(missing_ok=True)
        finally:
            # Over already, but when something broke this off.
            service.events.close()
            await asyncio.gather(*(server.stop(0) for server in servers), return_exceptions=True)
            await service.close()
    return 1 if service.supervisor.failures else 0


class _Server(uvicorn.Server):
    """uvicorn on a socket of ours, without signal handlers: the order of stopping is ours."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            http=BoundedHttp,
            lifespan="off",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            ws="none",
        )
        super().__init__(config)
        self.task = asyncio.create_task(self.serve([listener]), name="server")

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def stop(self, within: float) -> None:
        """Accept no more connections; give requests `within` seconds, then break them off."""
        self.config.timeout_graceful_shutdown = max(1, round(within))
        self.should_exit = True
        await self.task


async def _first(stop: asyncio.Event, failed: asyncio.Event, servers: list[_Server]) -> None:
    """Wait until somebody says stop, or something ends that should not."""
    events = [asyncio.create_task(event.wait()) for event in (stop, failed)]
    tasks = [*events, *(server.task for server in servers)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for event in events:
            event.cancel()


@contextlib.contextmanager
def _signals_set(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"cannot listen on {host} port {port}: {error}. Choose another with --host and --port."
        ) from None


def _listen_locally(path: Path) -> socket.socket:
    """The socket for the command line. What an earlier process left is ours: we hold the lock."""
    if len(os.fsencode(path)) > _SOCKET_PATH:
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
