"""Campus: a `critical` to 50,000 people on email, SMS and push, until the last is archived.

Against the sum of three loops that do nothing else: send ready mail, send SMS, encrypt and send
push. They send a tenth and their time is multiplied: each message costs them the same.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress

from benchmarks.notifications import mailboxes, notification, phones
from benchmarks.one_to_many import CONNECTIONS
from benchmarks.options import Options
from benchmarks.processes import outcome, python, require_package
from benchmarks.results import Round
from benchmarks.server import OWN, Server, Spent, flashnotify
from benchmarks.sinks import Gateway, gateway, smtp_sink
from benchmarks.subscriptions import subscribe
from benchmarks.table import Result
from benchmarks.targets import AsGoodAs, AtMost

_PEOPLE = 50_000
_PART = 10
# A document with more than some 60,000 recipients is refused as too complex.
_PEOPLE_IN_A_REQUEST = 10_000
_INTERVAL = 0.25
_CASE = "{:,} people"
_LOOPS = ("aiosmtplib", "httpx with aiohttp", "http_ece, httpx with aiohttp")
_ALL_LOOPS = "the sum of three bare loops"
# FlashNotify gives one push service half of its 64 connections.
_PUSH_CONNECTIONS = 32


def measure(options: Options) -> Result:
    """Measure the loops, and then FlashNotify, once each: it takes minutes."""
    require_package("httpx_aiohttp")
    people = options.of(_PEOPLE)
    with smtp_sink() as port, gateway() as sink:
        parts = _loops(port, sink, max(1, people // _PART))
        rounds = [_sum(_ALL_LOOPS, parts, people)]
        rounds += [_sum(name, [part], people) for name, part in zip(_LOOPS, parts, strict=True)]
        rounds.append(_own(port, sink, people))
    case = _CASE.format(people)
    targets = (AsGoodAs(case, 1 / 1.9), AtMost(case, "seconds", 60), AtMost(case, "lag", 0.025))
    return Result(rounds, targets)


def _loops(port: int, sink: Gateway, messages: int) -> list[dict[str, float]]:
    smtp = python("benchmarks.peers.smtp_loop", str(port), str(messages), str(CONNECTIONS))
    http = python("benchmarks.peers.http_loop", str(messages))
    push = python("benchmarks.peers.push_loop", str(messages))
    connections = {"GATEWAY": sink.url, "CONNECTIONS": str(_PUSH_CONNECTIONS)}
    return [outcome(smtp), outcome(http, {"GATEWAY": sink.url}), outcome(push, connections)]


def _sum(of: str, parts: Sequence[dict[str, float]], people: int) -> Round:
    """Return what loops that sent a part of the messages would take for all, one after another."""
    messages = len(parts) * people
    scale = people / max(1, people // _PART)
    seconds, cpu = (scale * sum(part[name] for part in parts) for name in ("seconds", "cpu"))
    figures = {"rate": messages / seconds, "seconds": seconds, "cpu": cpu / messages}
    return Round(_CASE.format(people), of, figures)


def _own(port: int, sink: Gateway, people: int) -> Round:
    settings = {
        "EMAIL_URL": f"smtp://127.0.0.1:{port}?starttls=never",
        "SMS_URL": f"http+json://{sink.address}/",
        "PUSH_URL": "webpush:",
        "PUSH_CONTACT": "mailto:it@univ.example",
        "PUSH_ALLOWED_NETWORKS": "127.0.0.0/8",
        "MAX_RECIPIENTS": str(3 * _PEOPLE_IN_A_REQUEST),
        "MAX_REQUEST_BYTES": str(256 * _PEOPLE_IN_A_REQUEST),
    }
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        with flashnotify(settings, folder=folder):
            pass  # It creates the tables.
        devices = subscribe(folder / "archive.db", sink.url, people)
        every = range(0, people, _PEOPLE_IN_A_REQUEST)
        parts = [slice(first, first + _PEOPLE_IN_A_REQUEST) for first in every]
        mail, sms = mailboxes(people), phones(people)
        requests = [[*mail[part], *sms[part], *devices[part]] for part in parts]
        with flashnotify(settings, folder=folder) as server:
            return _followed(_CASE.format(people), server, requests)


def _followed(case: str, server: Server, requests: Sequence[Sequence[str]]) -> Round:
    """Send, show how far it is, and return when the first, half and the last were sent."""
    reached: dict[str, float] = {}
    total = sum(map(len, requests))
    with server.client() as client, Progress() as progress:
        shown = progress.add_task(case, total=total)
        spent, began = Spent(server), time.monotonic()
        paths = [
            client.post("/v1/notifications", json=notification(to, priority="critical"))
            .raise_for_status()
            .json()["href"]
            for to in requests
        ]
        while "seconds" not in reached:
            time.sleep(_INTERVAL)
            sent = sum(_sent(client.get(path).json()) for path in paths)
            progress.update(shown, completed=sent)
            for name, least in {"first": 1, "half": total / 2, "seconds": total}.items():
                if sent >= least:
                    reached.setdefault(name, time.monotonic() - began)
    return Round(case, OWN, {"rate": total / reached["seconds"]} | reached | spent.figures(total))


def _sent(found: Mapping[str, Any]) -> int:
    """Return how many deliveries of a notification are sent; raise if it is over without some."""
    if found["outcome"] not in (None, "all_sent"):
        raise RuntimeError(f"not all was sent: {found['counts']}")
    return sum(counts.get("sent", 0) for counts in found["counts"].values())
