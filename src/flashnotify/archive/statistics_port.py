"""What the program asks of the archive about numbers. What `ports` says of all holds here."""

from collections.abc import Sequence
from typing import Protocol

from flashnotify.archive.statistics_records import Latency, Total, Waiting


class Statistics(Protocol):
    """Counts and latencies, kept by the writes."""

    async def totals(self, since: int) -> Sequence[Total]:
        """Return the counts since `since`, by kind, channel and status."""

    async def latencies(self, since: int) -> Sequence[Latency]:
        """Return the latencies of attempts since `since`, by channel and transport."""

    async def waiting(self) -> Sequence[Waiting]:
        """Return what waits, by lane and reason."""
