"""Events: how soon 200 open streams have one, also when one of them does not read."""

import asyncio
import time

import httpx
import uvloop

from benchmarks.event_streams import Awaited, following
from benchmarks.notifications import held, mailboxes
from benchmarks.options import Options
from benchmarks.results import Round
from benchmarks.server import Server, Spent, flashnotify
from benchmarks.table import Result
from benchmarks.targets import AtMost, Target

_STREAMS = 200
_EVENTS = 20
# Seconds between events: nothing is left to do when the next one comes.
_PAUSE = 0.3
# Events that fill the buffers of a connection which nobody reads.
_FLOOD = (10_000, 10_000)
_ALL, _BUT_ONE = "200 streams", "200 streams, one of which does not read"


def measure(options: Options) -> Result:
    """Measure with followers that read, and then with one that does not."""
    with flashnotify() as server:
        rounds = uvloop.run(_measure(server, options))
    bounds = {"p50": 0.03, "cpu": 0.03, "lag": 0.025}
    targets: list[Target] = [
        AtMost(case, name, bound) for case in (_ALL, _BUT_ONE) for name, bound in bounds.items()
    ]
    return Result(rounds, targets)


async def _measure(server: Server, options: Options) -> list[Round]:
    awaited = Awaited()
    async with following(server, _STREAMS, awaited):
        rounds = [await _round(_ALL, server, awaited, _STREAMS) for _ in range(options.rounds)]
    async with following(server, 1, awaited, reads=False):
        with server.client() as client:
            for number in _FLOOD:
                many = [held(mailboxes(1))] * options.of(number)
                client.post("/v1/notifications/batch", json=many).raise_for_status()
        async with following(server, _STREAMS - 1, awaited):
            rounds += [
                await _round(_BUT_ONE, server, awaited, _STREAMS - 1) for _ in range(options.rounds)
            ]
    return rounds


async def _round(case: str, server: Server, awaited: Awaited, streams: int) -> Round:
    """Send some notifications; measure from the request until the last stream has the event."""
    took = []
    base, headers = f"http://127.0.0.1:{server.port}", dict(server.headers)
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=30) as client:
        spent = Spent(server)
        for _ in range(_EVENTS):
            await asyncio.sleep(_PAUSE)
            awaited.expect("event: notification", streams)
            began = time.monotonic()
            await client.post("/v1/notifications", json=held(mailboxes(1)))
            await awaited.had_by_all()
            took.append(time.monotonic() - began)
    took.sort()
    latencies = {"p50": took[len(took) // 2], "p99": took[-1]}
    return Round(case, server.name, latencies | spent.figures(_EVENTS))
