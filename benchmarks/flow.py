"""Work in the background: many `low` deliveries of one channel, queued and flowing."""

from collections.abc import Sequence

from benchmarks.notifications import notification
from benchmarks.server import Server

# What one notification may be sent to, by default.
_RECIPIENTS = 10_000


def start(server: Server, to: Sequence[str]) -> None:
    """Accept `low` notifications to many."""
    with server.client() as client:
        for first in range(0, len(to), _RECIPIENTS):
            body = notification(to[first : first + _RECIPIENTS])
            client.post("/v1/notifications", json=body).raise_for_status()
