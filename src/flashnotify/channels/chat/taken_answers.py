"""Answers of chat services: a 2xx status line means that the message was taken.

Apprise calls `requests`, which reads an answer as a whole and fails on a broken one, so that the
same message would be sent again. It has no place to hand in a client, so the connections beneath
it are replaced: those of urllib3, which nothing else in this process uses.
"""

import http.client
import zlib
from contextlib import suppress
from io import BytesIO
from socket import socket
from typing import Any

from urllib3 import connection, connectionpool
from urllib3.exceptions import HTTPError

# What is read of an answer: bytes, and seconds after the status line without more of it.
_BYTES, _SECONDS = 65_536, 2.0
_FRAMING = ("Content-Length", "Transfer-Encoding", "Content-Encoding")
_BROKEN = (http.client.HTTPException, HTTPError, OSError, ValueError)


class _Answer(http.client.HTTPResponse):
    """An answer of which, after a 2xx status line, as much is read as there is."""

    def __init__(self, sock: socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._socket = sock

    def begin(self) -> None:
        """Read the head of the answer and, if the message was taken, the body."""
        try:
            super().begin()
        except _BROKEN:
            if not self._taken():
                raise
            self.headers = self.msg = http.client.HTTPMessage()
            self.chunked, self.length = False, 0
        if self._taken():
            self._settle()

    def _taken(self) -> bool:
        # Before its line was read, the status is a text.
        return self.status in range(200, 300)

    def _settle(self) -> None:
        """Put what can be read of the body in place of the connection."""
        connected: Any = self.fp
        body = _decoded(self._rest(), self.headers.get("Content-Encoding", ""))
        connected.close()
        self.fp: Any = BytesIO(body)
        for name in _FRAMING:
            del self.headers[name]
        self.chunked, self.length, self.will_close = False, len(body), True

    def _rest(self) -> bytes:
        self._socket.settimeout(_SECONDS)
        body = b""
        with suppress(*_BROKEN):
            while len(body) < _BYTES and (part := self.read1(_BYTES)):
                body += part
        return body


class _Connection(connection.HTTPConnection):
    response_class: type[http.client.HTTPResponse] = _Answer


class _SecureConnection(connection.HTTPSConnection):
    response_class: type[http.client.HTTPResponse] = _Answer


def _decoded(body: bytes, encoding: str) -> bytes:
    if encoding.lower() not in ("gzip", "deflate"):
        return body
    with suppress(zlib.error):
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, _BYTES)
    return b""


def read_leniently() -> None:
    """Have every answer to `requests` read so."""
    connectionpool.HTTPConnectionPool.ConnectionCls = _Connection
    connectionpool.HTTPSConnectionPool.ConnectionCls = _SecureConnection
