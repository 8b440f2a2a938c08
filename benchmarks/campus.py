"""Campus: one `critical` to 50,000 people on email, SMS and push, until the last is archived.

Against the sum of three loops that do nothing else: send ready mail, send SMS, encrypt and send
push. They send a tenth and their time is multiplied: each message costs them the same.
"""

import tempfile
import time
from collections.abc import Sequence
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
        "MAX_RECIPIENTS": str(3 * people),
        "MAX_REQUEST_BYTES": str(256 * people + 65_536),
    }
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        with flashnotify(settings, folder=folder):
            pass  # It creates the tables.
        devices = subscribe(folder / "archive.db", sink.url, people)
        with flashnotify(settings, folder=folder) as server:
            return _followed(
                _CASE.format(people), server, [*mailboxes(people), *phones(people), *devices]
            )


def _followed(case: str, server: Server, to: Sequence[str]) -> Round:
    """Send, show how far it is, and return when the first, half and the last were sent."""
    reached: dict[str, float] = {}
    with server.client() as client, Progress() as progress:
        shown = progress.add_task(case, total=len(to))
        spent, began = Spent(server), time.monotonic()
        body = notification(to, priority="critical")
        path = client.post("/v1/notifications", json=body).raise_for_status().json()["href"]
        found: dict[str, Any] = {"completed_at": None}
        while not found["completed_at"]:
            time.sleep(_INTERVAL)
            found = client.get(path).json()
            sent = sum(counts.get("sent", 0) for counts in found["counts"].values())
            progress.update(shown, completed=sent)
            for name, least in {"first": 1, "half": len(to) / 2, "seconds": len(to)}.items():
                if sent >= least:
                    reached.setdefault(name, time.monotonic() - began)
    if found["outcome"] != "all_sent":
        raise RuntimeError(f"not all was sent: {found['counts']}")
    rate = {"rate": len(to) / reached["seconds"]}
    return Round(case, OWN, rate | reached | spent.figures(len(to)))
