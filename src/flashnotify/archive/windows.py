"""The windows of time that statistics are read for, and the spans that they are kept by.

The older they are, the coarser their spans, so that no window adds up more than some of them. A
window starts with a whole span: it is up to one longer than its name says. Milliseconds.
"""

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


class Window(NamedTuple):
    """A window that ends now. What it starts with is kept by `span`, or by less."""

    length: int
    span: int

    def since(self, now: int) -> int:
        """Return when it starts."""
        since = now - self.length
        return since - since % self.span


WINDOWS: Mapping[str, Window] = MappingProxyType(
    {
        "1h": Window(_HOUR, 10 * _MINUTE),
        "24h": Window(_DAY, _HOUR),
        "7d": Window(7 * _DAY, 6 * _HOUR),
        "30d": Window(30 * _DAY, _DAY),
    }
)


def coarser(now: int) -> list[tuple[int, int]]:
    """Return coarser spans, each with the time before which statistics are kept by it."""
    spans = []
    for shorter, longer in pairwise(WINDOWS.values()):
        before = shorter.since(now)
        spans.append((before - before % longer.span, longer.span))
    return spans
