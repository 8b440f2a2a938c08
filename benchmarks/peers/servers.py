"""How the peers are started."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from benchmarks.processes import (
    REPOSITORY,
    Running,
    free_port,
    listens,
    python,
    require_package,
    require_program,
    running,
    wait_for,
)
from benchmarks.server import Server, serving

BARE, SQLALCHEMY = "bare FastAPI", "FastAPI + SQLAlchemy session"
ARQ, TASKIQ = "FastAPI + arq", "FastAPI + taskiq"
_WORKERS = {
    "arq": ("arq", "benchmarks.peers.arq.Worker"),
    "taskiq": (
        *("taskiq", "worker", "--workers", "1", "--log-level", "WARNING"),
        "benchmarks.peers.taskiq:broker",
    ),
}


def bare() -> AbstractContextManager[Server]:
    """Serve an endpoint that stores nothing."""
    return _uvicorn(BARE, "bare")


@contextmanager
def sqlalchemy() -> Iterator[Server]:
    """Serve an endpoint with an SQLAlchemy session for each request."""
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp") as folder,
        _uvicorn(SQLALCHEMY, "sqlalchemy", {"DATABASE": f"{folder}/peer.db"}) as server,
    ):
        yield server


def arq(gateway: str | None = None) -> AbstractContextManager[Server]:
    """Serve an endpoint that stores jobs of arq; with a gateway, run a worker too."""
    return _with_queue(ARQ, "arq", gateway)


def taskiq(gateway: str | None = None) -> AbstractContextManager[Server]:
    """Serve an endpoint that stores tasks of taskiq; with a gateway, run a worker too."""
    return _with_queue(TASKIQ, "taskiq", gateway)


@contextmanager
def _with_queue(name: str, queue: str, gateway: str | None) -> Iterator[Server]:
    require_package(queue)
    with ExitStack() as stack:
        port, store = stack.enter_context(_redis())
        environment = {"REDIS": f"redis://127.0.0.1:{port}", "GATEWAY": gateway or ""}
        server = stack.enter_context(_uvicorn(name, queue, environment))
        programs = [*server.programs]
        if gateway:
            worker = running(python(*_WORKERS[queue]), environment=environment)
            programs.append(stack.enter_context(worker))
        yield server._replace(programs=programs, store=store)


@contextmanager
def _redis() -> Iterator[tuple[int, Running]]:
    """Run Redis with a log that is on disk before each answer."""
    port, program = free_port(), require_program("redis-server", "redis-server")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        options = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
        with running([program, "--port", str(port), *options], folder=Path(folder)) as redis:
            wait_for(listens(port), redis)
            yield port, redis


def _uvicorn(
    name: str, module: str, environment: Mapping[str, str] | None = None
) -> AbstractContextManager[Server]:
    app = ("uvicorn", f"benchmarks.peers.{module}:app", "--port", "{port}", "--no-access-log")
    return serving(name, app, path="/docs", folder=REPOSITORY, environment=environment)
