"""Scale: a large archive beside a small one: accept, lists with every filter, and the rest.

The small one has 10,000 deliveries, so that its pages are as full.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from benchmarks import archive_loader, wrk
from benchmarks.archive_queries import FILTERS, PLAIN, Query, filtered, unfiltered
from benchmarks.notifications import held, mailboxes
from benchmarks.options import Options
from benchmarks.processes import require_program
from benchmarks.results import Round
from benchmarks.server import Server, Spent, flashnotify
from benchmarks.table import Result
from benchmarks.targets import AsGoodAs, Target

_SMALL = 10_000
_TIMES = 1.5
_CONNECTIONS, _SECONDS = 16, 2
_LOOKS, _REQUESTS = 3, 20
_WORST = 3


def measure(options: Options) -> Result:
    """Measure both archives in turns."""
    # Before the minute that loading takes.
    require_program("wrk", "wrk")
    deliveries = options.of(options.deliveries)
    with ExitStack() as stack:
        servers = [stack.enter_context(_serving(number)) for number in (_SMALL, deliveries)]
        servers[0] = servers[0]._replace(name=f"{_SMALL:,} deliveries")
        queries = [*PLAIN]
        for path in FILTERS:
            queries += [unfiltered(path)]
            queries += _worst(servers, [*filtered(path)])
        rounds = [
            measured
            for _ in range(options.rounds)
            for measured in (
                *(_accept(server) for server in servers),
                *(_read(server, query) for query in queries for server in servers),
            )
        ]
    large = f"{deliveries:,} deliveries: "
    rounds = [Round(large + case, of, figures) for case, of, figures in rounds]
    cases = dict.fromkeys(case for case, _, _ in rounds)
    targets: list[Target] = [AsGoodAs(case, 1 / _TIMES) for case in cases]
    return Result(rounds, targets)


def _worst(servers: Sequence[Server], queries: Sequence[Query]) -> list[Query]:
    """Return the queries that take longest on the large archive, compared to the small one."""
    with ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for server in servers]
        small, large = ([_least(client, query) for query in queries] for client in clients)
    ratios = [many / few for many, few in zip(large, small, strict=True)]
    worst = sorted(range(len(queries)), key=ratios.__getitem__, reverse=True)
    return [queries[index] for index in worst[:_WORST]]


def _least(client: httpx.Client, query: Query) -> float:
    return min(_timed(client, query.path, query) for _ in range(_LOOKS))


def _timed(client: httpx.Client, path: str, query: Query) -> float:
    began = time.perf_counter()
    client.get(path, params=query.parameters).raise_for_status()
    return time.perf_counter() - began


def _read(server: Server, query: Query) -> Round:
    with server.client() as client:
        path = query.path.format(id=_completed(client))
        spent = Spent(server)
        took = [_timed(client, path, query) for _ in range(_REQUESTS)]
        figures = {"rate": 1 / median(took), "p50": median(took), "p99": max(took)}
        return Round(str(query), server.name, figures | spent.figures(_REQUESTS))


def _completed(client: httpx.Client) -> str:
    """Return the id of a notification whose deliveries are over, behind those just accepted."""
    parameters = {"limit": "1", "status": "completed"}
    while True:
        page: dict[str, Any] = client.get("/v1/notifications", params=parameters).json()
        if page["items"]:
            return str(page["items"][0]["id"])
        parameters["cursor"] = page["next"]


def _accept(server: Server) -> Round:
    spent, body = Spent(server), held(mailboxes(1))
    done, found = wrk.post(
        server, "/v1/notifications", body, connections=_CONNECTIONS, seconds=_SECONDS
    )
    return Round("accept, 16 connections", server.name, found | spent.figures(done))


@contextmanager
def _serving(deliveries: int) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        archive_loader.load(Path(name), deliveries)
        with flashnotify(folder=Path(name)) as server:
            yield server
