"""Servers under load: a server, its workers and its store are on the same core."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks import loop_lag
from benchmarks.processes import Missing, Running, free_port, python, running, wait_for

OWN = "FlashNotify"
_SCOPES = ("notify:*", "read", "devices", "admin")
_NO_LIMIT = "1000000/second"


class Server(NamedTuple):
    """A running server. `headers` are those of an authenticated request."""

    name: str
    port: int
    lags: Path
    programs: Sequence[Running]
    store: Running | None = None
    headers: Mapping[str, str] = {}
    folder: Path = Path()

    def cpu(self) -> float:
        """Return the CPU time of the server and its workers so far, in seconds."""
        return sum(program.cpu() for program in self.programs)

    def client(self) -> httpx.Client:
        """Return a client that is authenticated."""
        base = f"http://127.0.0.1:{self.port}"
        return httpx.Client(base_url=base, headers=dict(self.headers), timeout=120)

    def archived(self) -> bool:
        """Return whether FlashNotify has nothing left to do."""
        with self.client() as client:
            pages = [
                client.get("/v1/notifications", params={"status": status, "limit": 1}).json()
                for status in ("queued", "sending")
            ]
        return not any(page["items"] for page in pages)


class Spent:
    """What a server spends from now on."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._cpu, self._store = server.cpu(), server.store.cpu() if server.store else 0.0
        self._samples = server.lags.stat().st_size

    def figures(self, units: int) -> dict[str, float]:
        """Return its CPU time for each unit of work, its store's, and the lag of its loop."""
        server = self._server
        found = {"cpu": (server.cpu() - self._cpu) / units}
        if server.store is not None:
            found["store"] = (server.store.cpu() - self._store) / units
        return found | {"lag": loop_lag.p99(server.lags, self._samples)}


@contextmanager
def serving(
    name: str,
    arguments: Sequence[str],
    *,
    path: str,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Serve `python -m …` on a free port, which replaces `{port}`, until `path` is answered."""
    port = free_port()
    with ExitStack() as stack:
        own = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
        lags = own / "lags"
        lags.touch()
        command = [part.format(port=port) for part in arguments]
        started = running(
            python("benchmarks.loop_lag", str(lags), *command),
            folder=folder or own,
            environment={"PYTHONPATH": str(Path(__file__).parents[1]), **(environment or {})},
        )
        program = stack.enter_context(started)
        server = Server(name, port, lags, [program], folder=folder or own)
        wait_for(lambda: _answers(server, path), program)
        yield server


def _answers(server: Server, path: str) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{server.port}{path}", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def flashnotify(
    settings: Mapping[str, str] | None = None, *, folder: Path | None = None
) -> Iterator[Server]:
    """Run `flashnotify serve` with a key that may do everything.

    `settings` have no prefix. Without a `folder` that has an archive, there is a new one.
    """
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
        server = stack.enter_context(service(settings, folder))
        scopes = [part for scope in _SCOPES for part in ("--scope", scope)]
        create = ["keys", "create", "--name", "benchmark", "--max-priority", "critical", *scopes]
        key = subprocess.run(
            python("flashnotify", *create),
            cwd=folder,
            env={**os.environ, **archive(folder, settings)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        yield server._replace(headers={"Authorization": f"Bearer {key}"})


def service(settings: Mapping[str, str] | None, folder: Path) -> AbstractContextManager[Server]:
    """Run `flashnotify serve` on the archive in a folder, which may be missing."""
    serve = ("flashnotify", "serve", "--port", "{port}")
    environment = archive(folder, settings)
    return serving(OWN, serve, path="/readyz", folder=folder, environment=environment)


def archive(folder: Path, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a FlashNotify whose archive is in a folder."""
    given = {"RATE_LIMIT": _NO_LIMIT, "DATABASE_URL": f"sqlite:///{folder}/archive.db"}
    given |= settings or {}
    return {f"FLASHNOTIFY_{name}": value for name, value in given.items()}


def started(stack: ExitStack, *servers: AbstractContextManager[Server]) -> list[Server]:
    """Start servers, and say what would install those that are missing."""
    found = []
    for server in servers:
        try:
            found.append(stack.enter_context(server))
        except Missing as missing:
            print(f"Left out: {missing}")
    return found


def until(done: Callable[[], bool], *, within: float = 300, interval: float = 0.05) -> None:
    """Wait until something is done; raise after `within` seconds."""
    end = time.monotonic() + within
    while not done():
        if time.monotonic() > end:
            raise RuntimeError(f"it is not done after {within:g} s")
        time.sleep(interval)
