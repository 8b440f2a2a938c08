"""IP networks, as settings name them."""

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

# An IPv6 customer has at least this network, and all of its addresses (RFC 6177).
_IPV6_PREFIX = 64

Network: TypeAlias = IPv4Network | IPv6Network


def networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a setting such as `10.0.0.0/8 fd00::/8`, or raise a ValueError."""
    return tuple(ip_network(word) for word in text.split())


def address_of(text: str) -> IPv4Address | IPv6Address:
    """Return an IP address without its zone, and an IPv4 one that is written as IPv6 as itself."""
    address = ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def network_of(text: str | None) -> str:
    """Return what the owner of an address surely holds: the address itself, or its IPv6 /64.

    Without an address, as on the local socket, that is an empty text.
    """
    if text is None:
        return ""
    address = address_of(text)
    if address.version == 6:
        return str(ip_network((address, _IPV6_PREFIX), strict=False))
    return str(address)


def belongs_to(text: str, networks: tuple[Network, ...]) -> bool:
    """Return whether a text is an IP address in one of `networks`."""
    try:
        address = address_of(text)
    except ValueError:
        return False
    return any(address in network for network in networks)
