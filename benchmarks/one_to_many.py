"""One notification to many, until the last result is archived."""

import time
from collections.abc import Sequence

from benchmarks.notifications import notification
from benchmarks.results import Round
from benchmarks.server import Server, Spent

# FlashNotify's default for SMTP and for gateways, and of every peer.
CONNECTIONS = 16


def own(case: str, server: Server, to: Sequence[str]) -> Round:
    """Send over FlashNotify, and wait for the end."""
    with server.client() as client:
        spent, began = Spent(server), time.monotonic()
        accepted = client.post("/v1/notifications", json=notification(to)).raise_for_status()
        path = accepted.json()["href"]
        while not (found := client.get(path, params={"wait": 30}).json())["completed_at"]:
            pass
        took = time.monotonic() - began
    if found["outcome"] != "all_sent":
        raise RuntimeError(f"not all was sent: {found['counts']}")
    figures = {"rate": len(to) / took, **spent.figures(len(to))}
    return Round(case, server.name, figures)


def loop(case: str, of: str, took: dict[str, float], messages: int) -> Round:
    """Return the round of a bare loop, of which `took` says how long it was."""
    return Round(case, of, {"rate": messages / took["seconds"], "cpu": took["cpu"] / messages})
