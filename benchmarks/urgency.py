"""Urgency: from the request of a `critical` SMS until it is at the gateway.

Idle, and while 100,000 `low` ones are queued and flow over the same channel and transport.
"""

import time

from benchmarks import flow
from benchmarks.notifications import notification, phones
from benchmarks.options import Options
from benchmarks.results import Round
from benchmarks.server import Server, Spent, flashnotify, until
from benchmarks.sinks import Gateway, gateway
from benchmarks.table import Result
from benchmarks.targets import AtMost

_CRITICAL = 200
_PAUSE = 0.03
_LOW = 100_000
_IDLE, _BUSY = "idle", "{:,} `low` ones queued"


def measure(options: Options) -> Result:
    """Measure idle, and with much to do."""
    low = options.of(_LOW)
    rounds, busy = [], _BUSY.format(low)
    for _ in range(options.rounds):
        with (
            gateway() as sink,
            flashnotify({"SMS_URL": f"http+json://{sink.address}/"}) as server,
        ):
            _round(_IDLE, server, sink, 10)
            rounds.append(_round(_IDLE, server, sink, _CRITICAL))
            flow.start(server, phones(low))
            rounds.append(_round(busy, server, sink, _CRITICAL))
    return Result(rounds, [AtMost(_IDLE, "p99", 0.05), AtMost(busy, "p99", 0.25)])


def _round(case: str, server: Server, sink: Gateway, number: int) -> Round:
    asked: dict[str, float] = {}
    with server.client() as client:
        spent = Spent(server)
        for index in range(number):
            to = f"+3377{time.monotonic_ns() // 1000 % 10_000_000:07d}"
            asked[to] = time.monotonic()
            urgent = notification([f"tel:{to}"], priority="critical", title=f"Urgent {index}")
            client.post("/v1/notifications", json=urgent).raise_for_status()
            time.sleep(_PAUSE)
    until(lambda: asked.keys() <= sink.urgent().keys())
    came = sink.urgent()
    took = sorted(came[to] - at for to, at in asked.items())
    latencies = {"p50": took[number // 2], "p99": took[number * 99 // 100]}
    return Round(case, server.name, latencies | {"lag": spent.figures(1)["lag"]})
