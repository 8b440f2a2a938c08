"""Limits on the connections of strangers: how many at once, in all and from one address."""

from collections import Counter

from flashnotify.errors import FlashNotifyError, Unavailable
from flashnotify.networks import Network, belongs_to, network_of

# Connections to the network at once, where the descriptors allow them.
_MAX_CONNECTIONS = 4096
# Descriptors kept for the archive, the transports and the local socket.
_RESERVED = 128
# The part of all connections that one address may have, unless it is a trusted proxy.
_PART_OF_ONE = 4


def connections_within(descriptors: int) -> int:
    """Return how many connections a process with so many file descriptors may serve at once."""
    return min(_MAX_CONNECTIONS, max(descriptors - _RESERVED, descriptors // 4))


class ConnectionLimits:
    """Counts the connections of one server, and what was refused since the last report.

    `total` limits all of them. A quarter of it limits those of one address, or of one IPv6 /64;
    the `trusted` proxies may have all, since the connections of all clients come from them.
    """

    def __init__(self, total: int, trusted: tuple[Network, ...] = ()) -> None:
        self.refused: Counter[str] = Counter()
        self._total = total
        self._trusted = trusted
        self._open = 0
        self._by_source: Counter[str] = Counter()

    def add(self, client: str | None) -> FlashNotifyError | None:
        """Count a connection from an address; return the error with which to refuse it, if any."""
        self._open += 1
        source = self._source(client)
        self._by_source[source] += 1
        if self._open > self._total:
            return Unavailable(
                "The service has too many connections. Try again later.",
                code="too_many_connections",
            )
        if source and self._by_source[source] > max(1, self._total // _PART_OF_ONE):
            return Unavailable(
                "This address has too many connections. Close some, or use one for many requests.",
                code="too_many_connections_of_one",
            )
        return None

    def remove(self, client: str | None) -> None:
        """Count a connection no longer."""
        self._open -= 1
        source = self._source(client)
        self._by_source[source] -= 1
        if not self._by_source[source]:
            del self._by_source[source]

    def _source(self, client: str | None) -> str:
        """Return what an address is counted under; nothing if it is not limited by itself."""
        if client is not None and belongs_to(client, self._trusted):
            return ""
        return network_of(client)
