"""The address of a client: only what trusted proxies say of it counts."""

import pytest

from flashnotify.api.client_address import client_address
from flashnotify.networks import networks

TRUSTED = networks("127.0.0.0/8 10.0.0.0/8 ::1/128")


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("127.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("::ffff:127.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ["203.0.113.9", "198.51.100.7, 10.1.1.1"], "198.51.100.7"),
        ("127.0.0.1", ["10.1.1.1"], "10.1.1.1"),
        ("127.0.0.1", ["unknown"], "127.0.0.1"),
        ("127.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("127.0.0.1", [""], "127.0.0.1"),
    ],
)
def test_proxies_that_are_trusted_tell_their_client(
    peer: str, forwarded: list[str], address: str
) -> None:
    fields = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    assert client_address({"client": (peer, 1), "headers": fields}, TRUSTED) == address


def test_the_local_socket_has_no_address() -> None:
    assert client_address({"client": None, "headers": []}, TRUSTED) is None
