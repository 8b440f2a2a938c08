"""What is read from archives: lists with every combination of filters, and the rest."""

import time
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from benchmarks.archive_rows import COMMON, RARE, RARE_ADDRESS

_DAY = 24 * 3600
_LIMIT = ("limit", "10")


class Query(NamedTuple):
    """A request that reads. `{id}` in its path is a notification of the archive."""

    path: str
    parameters: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """Return it as in a URL, without the limit that all have."""
        names = "&".join("=".join(pair) for pair in self.parameters if pair != _LIMIT)
        return f"GET {self.path}{'?' if names else ''}{names}"


# Values that much in an archive has, or hardly anything.
_SINCE, _UNTIL = (
    time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * _DAY)) for days in (20, 5)
)
FILTERS: dict[str, dict[str, Sequence[str]]] = {
    "/v1/notifications": {
        "kind": (COMMON.kind, RARE.kind),
        "status": (COMMON.status, RARE.status),
        "outcome": (COMMON.outcome, "all_failed"),
        "priority": ("high", "critical"),
        "reference": (COMMON.reference or "", RARE.reference or ""),
        "since": (_SINCE,),
        "until": (_UNTIL,),
    },
    "/v1/deliveries": {
        "kind": (COMMON.kind, RARE.kind),
        "status": (COMMON.unsent, RARE.unsent),
        "channel": (COMMON.channel, RARE.channel),
        "to": (RARE_ADDRESS,),
        "since": (_SINCE,),
        "until": (_UNTIL,),
    },
}
PLAIN = (
    Query("/v1/notifications/{id}"),
    Query("/v1/notifications/{id}/deliveries"),
    Query("/v1/stats"),
    Query("/v1/stats", (("window", "30d"),)),
    Query("/v1/performance", (("window", "30d"),)),
    Query("/v1/queue"),
)


def unfiltered(path: str) -> Query:
    """Return the query of a list without filters."""
    return Query(path, (_LIMIT,))


def filtered(path: str) -> Iterator[Query]:
    """Yield a query for each combination of a list's filters and of their values."""
    choices = [
        [None, *((name, value) for value in values)] for name, values in FILTERS[path].items()
    ]
    for chosen in product(*choices):
        given = tuple(pair for pair in chosen if pair is not None)
        if given:
            yield Query(path, (_LIMIT, *given))
