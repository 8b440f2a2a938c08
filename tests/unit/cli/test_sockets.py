"""`--host`: addresses, names and several of them."""

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from flashnotify.cli.connection_limits import connections_within
from flashnotify.cli.sockets import listen
from flashnotify.errors import SettingsError


@contextmanager
def listening(hosts: Iterable[str], port: int = 0) -> Iterator[list[socket.socket]]:
    listeners = listen(hosts, port)
    try:
        yield listeners
    finally:
        for listener in listeners:
            listener.close()


def answers(address: str, port: int) -> bool:
    with socket.create_connection((address, port), timeout=5):
        return True


@pytest.mark.parametrize("host", ["::", "localhost"])
def test_both_families_are_listened_on(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if host == "localhost":
        # Some machines know only one address of it.
        monkeypatch.setattr(socket, "getaddrinfo", _both_families)
    with listening([host]) as listeners:
        ports = {listener.getsockname()[1] for listener in listeners}
        assert len(ports) == 1
        monkeypatch.undo()
        assert answers("127.0.0.1", *ports)
        assert answers("::1", *ports)


def _both_families(name: str, port: int, **_: object) -> list[object]:
    return [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
    ]


def test_several_hosts_share_a_port() -> None:
    with listening(["127.0.0.1", "127.0.0.2"]) as (first, second):
        assert first.getsockname()[1] == second.getsockname()[1]
        assert answers("127.0.0.2", second.getsockname()[1])


def test_a_family_that_the_machine_lacks_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    create = socket.create_server

    def without_ipv6(address: tuple[str, int], **options: object) -> socket.socket:
        if options["family"] == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return create(address, **options)  # type: ignore[arg-type]  # as given

    monkeypatch.setattr(socket, "create_server", without_ipv6)
    with listening(["::"]) as (only,):
        assert only.family == socket.AF_INET
    with pytest.raises(SettingsError, match="cannot listen on ::1"):
        listen(["::1"], 0)


def test_an_unknown_name_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SettingsError, match=r"^cannot listen on nowhere port 0: .*--host"):
        listen(["nowhere"], 0)


@pytest.mark.parametrize(
    ("descriptors", "connections"), [(256, 128), (64, 16), (1024, 896), (1_000_000, 4096)]
)
def test_descriptors_are_kept_for_the_archive(descriptors: int, connections: int) -> None:
    assert connections_within(descriptors) == connections
