import errno
import os
import socket
from typing import Any

import pytest

from flashnotify.channels.net.address_guard import PublicAddresses
from flashnotify.channels.net.name_lookup import NameLookup
from flashnotify.errors import InvalidValue
from flashnotify.networks import networks
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue

NAMES = NameLookup(ThreadPoolQueue(2))

NOT_PUBLIC = {
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "0.0.0.0": "this host",
    "0.1.2.3": "this network",
    "10.1.2.3": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "169.254.169.254": "a cloud's metadata",
    "100.64.0.1": "carrier-grade NAT",
    "100.100.100.200": "a cloud's metadata",
    "168.63.129.16": "a cloud's host",
    "192.0.0.1": "IETF protocol assignments",
    "192.0.0.10": "anycast for TURN",
    "192.0.2.1": "documentation",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "192.88.99.1": "6to4 relay",
    "198.18.0.1": "benchmarks",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "unspecified",
    "::1": "loopback",
    "::127.0.0.1": "IPv4-compatible",
    "::8.8.8.8": "IPv4-compatible",
    "::ffff:127.0.0.1": "IPv4-mapped loopback",
    "::ffff:a9fe:a9fe": "IPv4-mapped metadata",
    "::ffff:0:8.8.8.8": "IPv4-translated",
    "64:ff9b::7f00:1": "NAT64 to loopback",
    "64:ff9b::a00:1": "NAT64 to private",
    "64:ff9b:1::808:808": "local NAT64",
    "100::1": "discard",
    "2001::1": "Teredo",
    "2001:2::1": "benchmarks",
    "2001:10::1": "ORCHID",
    "2001:db8::1": "documentation",
    "3fff::1": "documentation",
    "2002:7f00:1::1": "6to4 to loopback",
    "2002:808:808::1": "6to4",
    "5f00::1": "segment routing",
    "fc00::1": "unique local",
    "fd00:ec2::254": "a cloud's metadata",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "2606:4700::1111%eth0": "bound to an interface",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "ff0e::1": "multicast",
    "127.1": "not in canonical form",
    "0x7f000001": "not in canonical form",
    "2130706433": "not in canonical form",
    "localhost": "not an address",
    "": "not an address",
}
PUBLIC = (
    "8.8.8.8",
    "1.1.1.1",
    "172.32.0.1",
    "100.128.0.1",
    "198.20.0.1",
    "2606:4700:4700::1111",
    "2a00:1450:4007::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_non_public_addresses_are_not_permitted(address: str) -> None:
    assert not PublicAddresses().permits(address), NOT_PUBLIC[address]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_permitted(address: str) -> None:
    assert PublicAddresses().permits(address)


def test_only_allowed_networks_are_permitted_too() -> None:
    addresses = PublicAddresses(networks("10.20.0.0/16 fd00:20::/32"))
    assert addresses.permits("10.20.3.4")
    assert addresses.permits("fd00:20::1")
    assert addresses.permits("8.8.8.8")
    assert not addresses.permits("10.21.0.1")
    assert not addresses.permits("fd00:21::1")


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.1/8", "campus", "10.0.0.0/8,fd00::/8"])
def test_invalid_networks_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"network|host bits"):
        networks(text)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "not_a_url"),
        ("push.example/x", "not_https"),
        ("ftp://8.8.8.8/x", "not_https"),
        ("file:///etc/passwd", "not_https"),
        ("http://8.8.8.8/x", "not_https"),
        ("https://", "no_host"),
        ("https:///path", "no_host"),
        ("https://8.8.8.8:/x", "no_host"),
        ("https://8.8.8.8:0/x", "no_host"),
        ("https://8.8.8.8:99999/x", "not_a_url"),
        ("https://[::1/x", "not_a_url"),
        ("https://user@8.8.8.8/x", "has_credentials"),
        ("https://user:password@8.8.8.8/x", "has_credentials"),
        ("https://8.8.8.8/x#", "has_fragment"),
        ("https://8.8.8.8/x#y", "has_fragment"),
        ("https://8.8.8.8\\@127.0.0.1/", "not_a_url"),
        ("https://8.8.8.8/a b", "not_a_url"),
        ("https://8.8.8.8/\r\nHost: x", "not_a_url"),
        ("https://éxample/x", "not_a_url"),
        ("https://8.8.8.8/" + "x" * 2048, "too_long"),
        ("https://127.0.0.1/x", "not_public"),
        ("https://[::1]/x", "not_public"),
        ("https://[::ffff:127.0.0.1]/x", "not_public"),
        ("https://[fe80::1%25eth0]/x", "not_a_url|not_public|unknown_host"),
        ("https://169.254.169.254/latest/meta-data/", "not_public"),
        # inet_aton reads these as loopback or this host.
        ("https://127.1/x", "not_public|unknown_host|not_a_url"),
        ("https://0x7f000001/x", "not_public|unknown_host|not_a_url"),
        ("https://2130706433/x", "not_public|unknown_host|not_a_url"),
        ("https://0177.0.0.1/x", "not_public|unknown_host|not_a_url"),
        ("https://0/x", "not_public|unknown_host|not_a_url"),
    ],
)
async def test_forbidden_urls_are_refused(url: str, code: str) -> None:
    with pytest.raises(InvalidValue) as failure:
        await PublicAddresses().check(url, NAMES)
    assert failure.value.code in code.split("|")


@pytest.mark.parametrize("url", ["https://8.8.8.8/x", "https://[2606:4700::1111]:8443/x?y=z"])
async def test_a_public_url_passes(url: str) -> None:
    await PublicAddresses().check(url, NAMES)


async def test_http_is_limited_to_allowed_networks() -> None:
    addresses = PublicAddresses(networks("10.20.0.0/16"))
    await addresses.check("http://10.20.0.1/x", NAMES)
    await addresses.check("https://10.20.0.1/x", NAMES)
    with pytest.raises(InvalidValue) as failure:
        await addresses.check("http://8.8.8.8/x", NAMES)
    assert failure.value.code == "not_https"


def _resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Make every name resolve to `addresses`."""

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port))
            for a in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


async def test_every_address_of_a_name_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolving(monkeypatch, "8.8.8.8", "2606:4700::1111")
    await PublicAddresses().check("https://push.example/x", NAMES)
    for addresses in (["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["8.8.8.8", "::1"]):
        _resolving(monkeypatch, *addresses)
        with pytest.raises(InvalidValue) as failure:
            await PublicAddresses().check("https://push.example/x", NAMES)
        assert failure.value.code == "not_public"


async def test_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolving(monkeypatch)
    with pytest.raises(InvalidValue) as failure:
        await PublicAddresses().check("https://push.example/x", NAMES)
    assert failure.value.code == "unknown_host"


async def test_a_name_that_cannot_be_asked_for_is_not_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a file descriptor, the C library says that there is no such name."""
    _resolving(monkeypatch)

    def no_file(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", no_file)
    with pytest.raises(OSError, match="Too many open files"):
        await PublicAddresses().check("https://push.example/x", NAMES)
