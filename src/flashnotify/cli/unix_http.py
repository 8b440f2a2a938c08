"""HTTP over a Unix socket by the standard library: importing httpx takes longer than a command."""

import socket
from http.client import HTTPConnection
from pathlib import Path


class UnixConnection(HTTPConnection):
    """A connection to the server that listens on a Unix socket, with `timeout` in seconds."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("flashnotify", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect. Raise `OSError` if nothing listens."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def answers(path: Path) -> bool:
    """Return whether a server listens on a Unix socket."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
    except OSError:
        return False
    return True
