"""uvicorn as `serve` needs it: bounded connections, and no signal handlers.

All code that relies on undocumented parts of uvicorn is here and in `http_protocol.py`
(docs/adr/0008). `tests/unit/cli/test_uvicorn_server.py` fails if an upgrade changes one of them.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from functools import partial
from typing import cast

import structlog
import uvicorn
from starlette.types import ASGIApp

from flashnotify.cli.connection_limits import ConnectionLimits
from flashnotify.cli.http_protocol import BoundedHttp

log = structlog.get_logger(__name__)

# Ticks of uvicorn's main loop, 0.1 s each, between sweeps and between reports of refusals.
_SWEEP = 10
_REPORT = 600


class Server(uvicorn.Server):
    """A uvicorn server on open sockets; our own code handles signals and orders the shutdown."""

    def __init__(
        self, app: ASGIApp, listeners: Sequence[socket.socket], limits: ConnectionLimits
    ) -> None:
        protocol = cast(type[asyncio.Protocol], partial(BoundedHttp, limits=limits))
        config = uvicorn.Config(
            app,
            http=protocol,
            lifespan="off",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            ws="none",
        )
        super().__init__(config)
        self.limits = limits
        self.task = asyncio.create_task(self.serve(list(listeners)), name="server")

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Close connections whose time is up, and report refusals in one line a minute."""
        if counter % _SWEEP == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                assert isinstance(connection, BoundedHttp)
                connection.sweep(now)
        if counter % _REPORT == 0:
            self._report()
        return await super().on_tick(counter)

    async def stop(self, within: float) -> None:
        """Stop accepting connections; abort requests that still run after `within` seconds."""
        self.config.timeout_graceful_shutdown = max(1, round(within))
        self.should_exit = True
        await self.task
        self._report()

    def _report(self) -> None:
        if self.limits.refused:
            log.warning("http.refused", **self.limits.refused)
            self.limits.refused.clear()
