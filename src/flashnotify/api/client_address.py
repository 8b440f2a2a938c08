"""The network address of a client, which may be behind reverse proxies."""

from starlette.types import Scope

from flashnotify.api.headers import headers
from flashnotify.networks import Network, address_of, belongs_to


def client_address(scope: Scope, trusted: tuple[Network, ...]) -> str | None:
    """Return the address that a request came from; None on the local socket.

    What `X-Forwarded-For` says counts as far as trusted proxies wrote it: they append the address
    of their client, so that it is read from the end, until an address is none of theirs.
    """
    if not scope.get("client"):
        return None
    address: str = scope["client"][0]
    forwarded = ",".join(headers(scope, b"x-forwarded-for")).split(",")
    while forwarded and belongs_to(address, trusted):
        before = forwarded.pop().strip()
        try:
            address = str(address_of(before))
        except ValueError:
            break
    return address
