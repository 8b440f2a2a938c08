"""A gateway that takes every POST, faster than anything here can send: `… gateway PORT`.

`GET /` answers how many it took, and when those to numbers that begin with +3377 came.
"""

import asyncio
import json
import re
import sys
import time
from typing import cast

import uvloop

_URGENT = re.compile(rb"\+3377\d{7}")
_END = b"\r\n\r\n"
_TAKEN = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n" + (
    b'{"id": "ok"}'
)


class Taken:
    """How many messages came, and when the urgent ones did, by number."""

    def __init__(self) -> None:
        self.number = 0
        self.urgent: dict[str, float] = {}

    def add(self, body: bytes) -> None:
        """Count one."""
        self.number += 1
        if (found := _URGENT.search(body)) is not None:
            self.urgent[found[0].decode()] = time.monotonic()


class Gateway(asyncio.Protocol):
    """A connection of a sender."""

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        # uvloop's transports have no class in common with asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._buffer += data
        while (end := self._buffer.find(_END)) >= 0:
            head = self._buffer[:end].lower()
            _, _, after = head.partition(b"content-length:")
            whole = end + len(_END) + int(after.split(b"\r\n", 1)[0] or 0)
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end:whole], self._buffer[whole:]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"post"):
            self._taken.add(body)
            self._transport.write(_TAKEN)
        else:
            body = json.dumps(vars(self._taken)).encode()
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d" % len(body) + _END + body
            )


async def _serve(port: int) -> None:
    taken = Taken()
    server = await asyncio.get_running_loop().create_server(
        lambda: Gateway(taken), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
