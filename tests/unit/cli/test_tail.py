"""`tail` knows the heartbeat of `serve` without importing its code."""

from flashnotify.cli.tail import TIMEOUT
from flashnotify.telemetry.events import HEARTBEAT


def test_a_connection_counts_as_broken_after_three_heartbeats() -> None:
    assert TIMEOUT == 3 * HEARTBEAT
