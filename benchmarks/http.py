"""HTTP end to end: one notification to many, sent as SMS over an HTTP gateway and archived.

Against httpx with aiohttp that sends nothing else, and workers of arq and taskiq with that client.
"""

import time
from contextlib import ExitStack

from benchmarks.notifications import notification, phones
from benchmarks.one_to_many import loop, own
from benchmarks.options import Options
from benchmarks.peers.servers import ARQ, TASKIQ, arq, taskiq
from benchmarks.processes import outcome, python, require_package
from benchmarks.results import Round
from benchmarks.server import OWN, Server, Spent, flashnotify, started, until
from benchmarks.sinks import Gateway, gateway
from benchmarks.table import Result
from benchmarks.targets import AsGoodAs, AtMost

_MESSAGES = 3000
_BARE = "httpx with aiohttp"


def measure(options: Options) -> Result:
    """Measure all in turns."""
    require_package("httpx_aiohttp")
    messages = options.of(_MESSAGES)
    case = _case(messages)
    with ExitStack() as stack:
        sink = stack.enter_context(gateway())
        ours = flashnotify({"SMS_URL": f"http+json://{sink.address}/"})
        servers = started(stack, arq(sink.url), taskiq(sink.url), ours)
        for server in servers:
            _sent(server, sink, messages // 10 + 1)
        rounds = [
            measured
            for _ in range(options.rounds)
            for measured in (
                _httpx(sink, messages),
                *(_sent(server, sink, messages) for server in servers),
            )
        ]
    targets = (AsGoodAs(case, 0.6), AsGoodAs(case, 1.5, (ARQ, TASKIQ)))
    return Result(rounds, [*targets, AtMost(case, "lag", 0.025)])


def _case(messages: int) -> str:
    return f"one to {messages:,} phones"


def _httpx(sink: Gateway, messages: int) -> Round:
    command = python("benchmarks.peers.http_loop", str(messages))
    return loop(_case(messages), _BARE, outcome(command, {"GATEWAY": sink.url}), messages)


def _sent(server: Server, sink: Gateway, messages: int) -> Round:
    if server.name == OWN:
        return own(_case(messages), server, phones(messages))
    before = sink.taken()
    with server.client() as client:
        spent, began = Spent(server), time.monotonic()
        client.post("/v1/notifications", json=notification(phones(messages))).raise_for_status()
        until(lambda: sink.taken() - before >= messages)
        took = time.monotonic() - began
    return Round(_case(messages), server.name, {"rate": messages / took, **spent.figures(messages)})
