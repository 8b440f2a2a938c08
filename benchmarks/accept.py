"""Accept: one notification, held by its `send_at`, on disk before the answer.

A bare FastAPI endpoint stores nothing; the other peers promise as much as FlashNotify.
"""

import os
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from statistics import median

from benchmarks import wrk
from benchmarks.options import Options
from benchmarks.peers.servers import ARQ, SQLALCHEMY, TASKIQ, arq, bare, sqlalchemy, taskiq
from benchmarks.results import Round
from benchmarks.server import Server, Spent, flashnotify, started
from benchmarks.table import Result
from benchmarks.targets import AsGoodAs, AtMost, Target

_CONNECTIONS = (1, 16, 64, 256)
_SECONDS = 2
_LAG = 0.025


def measure(options: Options) -> Result:
    """Measure all in turns."""
    with ExitStack() as stack:
        servers = started(stack, bare(), arq(), taskiq(), sqlalchemy(), flashnotify())
        for server in servers:
            _round(server, 16)
        rounds = [
            _round(server, connections)
            for _ in range(options.rounds)
            for connections in _CONNECTIONS
            for server in servers
        ]
    return Result(rounds, _targets())


def _round(server: Server, connections: int) -> Round:
    spent = Spent(server)
    done, found = wrk.post(
        server, "/v1/notifications", _body(), connections=connections, seconds=_SECONDS
    )
    return Round(_case(connections), server.name, found | spent.figures(done))


def _case(connections: int) -> str:
    return f"{connections} connections" if connections > 1 else "1 connection"


def _body() -> dict[str, object]:
    return {
        "kind": "academic",
        "title": "Room changed",
        "body": "The exam takes place in room B204 instead of A101.",
        "to": ["mailto:ada@univ.example"],
        "data": {"course": "ALG-2", "room": "B204"},
        "send_at": (datetime.now(UTC) + timedelta(days=300)).isoformat(),
    }


def _targets() -> list[Target]:
    durable = (ARQ, TASKIQ, SQLALCHEMY)
    found: list[Target] = [AsGoodAs(_case(1), 0.3), AtMost(_case(1), "p50", _fsync() + 0.002)]
    found += [AsGoodAs(_case(64), 0.8), AsGoodAs(_case(64), 1, durable)]
    return found + [AtMost(_case(number), "lag", _LAG) for number in _CONNECTIONS]


def _fsync() -> float:
    """Return the median time that this disk takes to write a page for good, in seconds."""
    took = []
    with tempfile.TemporaryFile(dir="/var/tmp", buffering=0) as file:
        for _ in range(100):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return median(took)
