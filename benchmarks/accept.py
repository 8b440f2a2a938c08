"""Accept: one notification, held by its `send_at`, on disk before the answer.

Its peer, a bare FastAPI endpoint, stores nothing.
"""

from datetime import UTC, datetime, timedelta

from benchmarks import wrk
from benchmarks.server import bare, flashnotify
from benchmarks.table import Measured

_CONNECTIONS = (1, 16, 64, 256)
_ROUNDS = 5
_SECONDS = 2.0


def measure() -> list[Measured]:
    """Measure both in turns."""
    later = (datetime.now(UTC) + timedelta(days=300)).isoformat()
    body = {
        "kind": "academic",
        "title": "Room changed",
        "body": "The exam takes place in room B204 instead of A101.",
        "to": ["mailto:ada@univ.example"],
        "data": {"course": "ALG-2", "room": "B204"},
        "send_at": later,
    }
    with bare(8571) as peer, flashnotify(8572) as own:
        for server in (peer, own):
            wrk.post(server, "/v1/notifications", body, connections=16, seconds=1)
        return [
            wrk.post(server, "/v1/notifications", body, connections=number, seconds=_SECONDS)
            for _ in range(_ROUNDS)
            for number in _CONNECTIONS
            for server in (peer, own)
        ]
