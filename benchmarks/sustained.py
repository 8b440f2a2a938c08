"""Sustained: single notifications, accepted, delivered and archived until nothing is left to do.

To capture, against a bare endpoint that stores nothing; over an HTTP gateway, against workers of
arq and taskiq that send the same with the same number of connections.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from benchmarks import wrk
from benchmarks.notifications import mailboxes, notification, phones
from benchmarks.options import Options
from benchmarks.peers.servers import ARQ, TASKIQ, arq, bare, taskiq
from benchmarks.results import Round
from benchmarks.server import OWN, Server, Spent, flashnotify, started, until
from benchmarks.sinks import Gateway, gateway
from benchmarks.table import Result
from benchmarks.targets import AsGoodAs, AtMost

_CONNECTIONS = 16
_SECONDS = 2
_CAPTURE, _GATEWAY = "to capture", "over an HTTP gateway"


def measure(options: Options) -> Result:
    """Measure capture, and then the gateway."""
    rounds = [*_to_capture(options), *_over_gateway(options)]
    targets = (
        AsGoodAs(_CAPTURE, 0.25),
        AtMost(_CAPTURE, "lag", 0.025),
        AsGoodAs(_GATEWAY, 1, (ARQ, TASKIQ)),
        AtMost(_GATEWAY, "lag", 0.025),
    )
    return Result(rounds, targets)


def _to_capture(options: Options) -> list[Round]:
    to = mailboxes(1)
    with ExitStack() as stack:
        servers = started(stack, bare(), flashnotify())
        return _rounds(options, servers, lambda server: _round(_CAPTURE, server, to))


def _over_gateway(options: Options) -> list[Round]:
    to = phones(1)
    with ExitStack() as stack:
        sink = stack.enter_context(gateway())
        own = flashnotify({"SMS_URL": f"http+json://{sink.address}/"})
        servers = started(stack, arq(sink.url), taskiq(sink.url), own)
        return _rounds(options, servers, lambda server: _round(_GATEWAY, server, to, sink))


def _rounds(
    options: Options, servers: Sequence[Server], measured: Callable[[Server], Round]
) -> list[Round]:
    found = [measured(server) for _ in range(options.rounds + 1) for server in servers]
    # The first does not count.
    return found[len(servers) :]


def _round(case: str, server: Server, to: Sequence[str], sink: Gateway | None = None) -> Round:
    """Post for some seconds, and wait until all is done."""
    sent = sink.taken() if sink else 0
    spent, began = Spent(server), time.monotonic()
    accepted, found = wrk.post(
        server, "/v1/notifications", notification(to), connections=_CONNECTIONS, seconds=_SECONDS
    )
    if sink:
        until(lambda: sink.taken() - sent >= accepted)
    if server.name == OWN:
        until(server.archived)
    latencies = {name: found[name] for name in ("p50", "p99")}
    rate = accepted / (time.monotonic() - began)
    return Round(case, server.name, {"rate": rate, **latencies, **spent.figures(accepted)})
