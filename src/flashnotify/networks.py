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

Network: TypeAlias = IPv4Network | IPv6Network


def networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a setting such as `10.0.0.0/8 fd00::/8`, or raise a ValueError."""
    return tuple(ip_network(word) for word in text.split())


def address_of(text: str) -> IPv4Address | IPv6Address:
    """Return an IP address without its zone, and an IPv4 one that is written as IPv6 as itself."""
    address = ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def belongs_to(text: str, networks: tuple[Network, ...]) -> bool:
    """Return whether a text is an IP address in one of `networks`."""
    try:
        address = address_of(text)
    except ValueError:
        return False
    return any(address in network for network in networks)
