"""Fairness and isolation: who waits for the bulk of another, or for another channel."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import flow
from benchmarks.notifications import mailboxes, notification, phones
from benchmarks.options import Options
from benchmarks.results import Round
from benchmarks.server import Server, flashnotify
from benchmarks.sinks import gateway, smtp_sink
from benchmarks.table import Result
from benchmarks.targets import AtMost

_BULK, _BEHIND = 50_000, "one person's `low` mail behind {:,}"
# At 1 s a mail, 16 connections have something to do for all of the benchmark.
_SLOW, _WAITING = 1, 2400
_SMS = "{} SMS while email is slow"


def measure(options: Options) -> Result:
    """Measure a mail behind a bulk one, and SMS while the mail server is slow."""
    bulk = options.of(_BULK)
    rounds, behind = [], _BEHIND.format(bulk)
    for _ in range(options.rounds):
        with _serving() as server:
            flow.start(server, mailboxes(bulk))
            time.sleep(1)
            rounds.append(_until_archived(behind, server, "mailto:one@univ.example"))
        with _serving(_SLOW) as server:
            flow.start(server, mailboxes(_WAITING))
            time.sleep(1)
            for priority in ("low", "critical"):
                case = _SMS.format(priority)
                rounds.append(_until_archived(case, server, phones(1)[0], priority))
    isolated = (AtMost(_SMS.format(priority), "seconds", 1) for priority in ("low", "critical"))
    return Result(rounds, [AtMost(behind, "seconds", 3), *isolated])


@contextmanager
def _serving(delay: int = 0) -> Iterator[Server]:
    with smtp_sink(delay) as port, gateway() as sink:
        settings = {
            "EMAIL_URL": f"smtp://127.0.0.1:{port}?starttls=never",
            "SMS_URL": f"http+json://{sink.address}/",
        }
        with flashnotify(settings) as server:
            yield server


def _until_archived(case: str, server: Server, to: str, priority: str = "low") -> Round:
    with server.client() as client:
        began = time.monotonic()
        body = notification([to], priority=priority)
        path = client.post("/v1/notifications", json=body).raise_for_status().json()["href"]
        if not client.get(path, params={"wait": 30}).json()["completed_at"]:
            raise RuntimeError(f"{case}: it is not sent after 30 s")
        return Round(case, server.name, {"seconds": time.monotonic() - began})
