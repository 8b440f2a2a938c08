"""Bulk: 1 to 10,000 notifications in a request, against sqlite3's executemany of the same rows."""

import json
import time

from benchmarks.notifications import held, mailboxes
from benchmarks.options import Options
from benchmarks.processes import outcome, python
from benchmarks.results import Round
from benchmarks.server import Server, Spent, flashnotify
from benchmarks.table import Result
from benchmarks.targets import AsGoodAs, AtMost, Target

# Notifications in a request, and requests.
_CALLS = {1: 200, 10: 100, 100: 30, 1000: 5, 10_000: 1}
_RAW = "sqlite3 executemany"


def measure(options: Options) -> Result:
    """Measure both in turns."""
    with flashnotify() as server:
        # Of which there are enough rows for the other, then.
        _own(server, 10_000, 1)
        rounds = [
            measured(server, size, calls)
            for _ in range(options.rounds)
            for size, calls in _CALLS.items()
            for measured in (_raw, _own)
        ]
    targets: list[Target] = [AsGoodAs(_case(size), 0.2) for size in _CALLS]
    return Result(rounds, [*targets, *(AtMost(_case(size), "lag", 0.025) for size in _CALLS)])


def _case(size: int) -> str:
    return f"{size:,} in a request"


def _raw(server: Server, size: int, calls: int) -> Round:
    archive = str(server.folder / "archive.db")
    took = outcome(python("benchmarks.peers.raw_sqlite", archive, str(size), str(calls)))
    units = size * calls
    return Round(_case(size), _RAW, {"rate": units / took["seconds"], "cpu": took["cpu"] / units})


def _own(server: Server, size: int, calls: int) -> Round:
    body = json.dumps([held(mailboxes(1))] * size)
    with server.client() as client:
        spent, began = Spent(server), time.monotonic()
        for _ in range(calls):
            answer = client.post(
                "/v1/notifications/batch",
                content=body,
                headers={"Content-Type": "application/json"},
            )
            if answer.json()["accepted"] != size:
                raise RuntimeError(answer.text[:1000])
        took = time.monotonic() - began
    units = size * calls
    return Round(_case(size), server.name, {"rate": units / took, **spent.figures(units)})
