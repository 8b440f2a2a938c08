"""IP networks, as settings name them."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network


def networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a setting such as `10.0.0.0/8 fd00::/8`, or raise a ValueError."""
    return tuple(ip_network(word) for word in text.split())
