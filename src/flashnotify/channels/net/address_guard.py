"""The guard against untrusted URLs that lead to non-public addresses.

Such a URL could point to this machine, its neighbours or a cloud's metadata service (server-side
request forgery). A host name may change its address after a check, so `permits` is called with the
address of every connection. `check` is for early feedback at registration.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

import httpx

from flashnotify.channels.net.name_lookup import NameLookup
from flashnotify.errors import InvalidValue, is_out_of_files
from flashnotify.networks import Network

Address: TypeAlias = IPv4Address | IPv6Address

_MAX_LENGTH = 2048
# RFC 3986, sections 2.2 and 2.3. Parsers disagree about other characters.
_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")

# Networks that `is_global` accepts in some Python version, or that never have a push service.
_SPECIAL = [
    ip_network(special)
    for special in (
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "168.63.129.16/32",  # the host of a virtual machine on Azure
        "2001::/23",  # IETF protocol assignments, Teredo among them (RFC 2928)
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 (RFC 7526)
        "3fff::/20",  # documentation (RFC 9637)
    )
]
# The part assigned to hosts so far (RFC 4291, section 2.4; IANA's IPv6 address space).
_UNICAST = IPv6Network("2000::/3")
# IPv4 addresses written as IPv6: mapped (RFC 4291, section 2.5.5.2), and by NAT64 (RFC 6052).
_EMBEDDING = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))


def split(url: str) -> SplitResult:
    """Return the parts of an untrusted URL, or raise a ValueError with the reason."""
    if len(url) > _MAX_LENGTH:
        raise InvalidValue(
            "too_long", f"has {len(url)} characters; at most {_MAX_LENGTH} are allowed"
        )
    if not _CHARACTERS.fullmatch(url):
        raise InvalidValue(
            "not_a_url", "is not a URL; give it as the browser gave it, percent-encoded"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
        # httpx, which will connect, is stricter in places.
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        raise InvalidValue("not_a_url", "is not a URL; give it as the browser gave it") from None
    if parts.scheme not in ("https", "http"):
        raise InvalidValue("not_https", "must begin with https://")
    if not parts.hostname or port == 0 or parts.netloc.endswith(":"):
        raise InvalidValue("no_host", "has no host, or a port that cannot be connected to")
    if "@" in parts.netloc:
        raise InvalidValue("has_credentials", "has credentials in it; remove them")
    if "#" in url:
        raise InvalidValue("has_fragment", "has a fragment (#…); remove it")
    return parts


class PublicAddresses:
    """The public addresses, and those in the `allowed` networks."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = allowed

    def permits(self, address: str) -> bool:
        """Return whether untrusted URLs may lead to this IP address."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return self._is_allowed(parsed) or _is_public(parsed)

    async def check(self, url: str, names: NameLookup, caller: str | None = None) -> None:
        """Check an untrusted URL of `caller` and the current addresses of its host.

        Raises:
            ValueError: it is not permitted; with the reason.
            Unavailable: too many lookups are running.
        """
        parts = split(url)
        try:
            found = await names.look_up(str(parts.hostname), parts.port or 443, caller=caller)
        except (OSError, UnicodeError) as error:
            if is_out_of_files(error):
                raise
            raise InvalidValue(
                "unknown_host",
                "has an unknown host; check its name, or try again later if DNS is down",
            ) from None
        addresses = [str(sockaddr[0]) for _, _, _, _, sockaddr in found]
        if not all(map(self.permits, addresses)):
            raise InvalidValue(
                "not_public",
                "leads to an address that is not public. If that is intended, add its network to "
                "FLASHNOTIFY_PUSH_ALLOWED_NETWORKS",
            )
        if parts.scheme == "http" and not all(
            self._is_allowed(ip_address(address)) for address in addresses
        ):
            raise InvalidValue("not_https", "must begin with https://")

    def _is_allowed(self, address: Address) -> bool:
        return any(address in network for network in self._allowed)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if any(address in network for network in _EMBEDDING):
            return _is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address not in _UNICAST:
            return False
    return (
        address.is_global
        # To Python, multicast is global too.
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _SPECIAL)
    )
