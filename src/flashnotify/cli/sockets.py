"""The sockets on which `serve` listens: on the network, and beside the archive."""

import errno
import os
import socket
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from flashnotify.errors import SettingsError, why_not_connected

_BACKLOG = 2048
# The longest path of a Unix socket, in bytes (unix(7)).
_MAX_SOCKET_PATH = 107
# This machine has no address of a family, although the name of the host has one.
_NO_SUCH_FAMILY = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def listen(hosts: Iterable[str], port: int) -> list[socket.socket]:
    """Listen on every address of `hosts`, all on one port (0: any that is free).

    A host is an address, or a name, of which all IPv4 and IPv6 addresses are used. `::` stands for
    every address of both families. Raise `SettingsError` if a host cannot be used.
    """
    listeners: list[socket.socket] = []
    with ExitStack() as opened:
        for host in hosts:
            try:
                for listener in _listen_on(host, port):
                    listeners.append(opened.enter_context(listener))
                    port = listener.getsockname()[1]
            except (OSError, OverflowError) as error:
                why = why_not_connected(error) if isinstance(error, OSError) else error
                raise SettingsError(
                    f"cannot listen on {host} port {port}: {why}. "
                    "Choose another with --host and --port."
                ) from None
        opened.pop_all()
    return listeners


def _listen_on(host: str, port: int) -> Iterable[socket.socket]:
    """Yield a socket for each address of a host, or raise the error of the last one."""
    names = (host, "0.0.0.0") if host == "::" else (host,)  # noqa: S104  # as asked for
    found = [info for name in names for info in _addresses(name, port)]
    missing: OSError | None = None
    for family, _, _, _, address in dict.fromkeys(found):
        try:
            listener = socket.create_server(
                (str(address[0]), port), family=family, backlog=_BACKLOG
            )
        except OSError as error:
            if error.errno not in _NO_SUCH_FAMILY:
                raise
            missing = error
            continue
        port, missing = listener.getsockname()[1], None
        yield listener
    if missing is not None:
        raise missing


def _addresses(name: str, port: int) -> Iterable[Any]:
    return socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)


def listen_locally(path: Path) -> socket.socket:
    """Open the command line's socket, replacing a stale one: we hold the archive's lock."""
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
        raise SettingsError(
            f"{path} is too long for a Unix socket. Give FLASHNOTIFY_DATABASE_URL a shorter path."
        )
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    umask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(umask)
    listener.listen(128)
    return listener
