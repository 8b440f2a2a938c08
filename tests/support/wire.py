"""A transport that keeps what a protocol writes."""

import asyncio
import re
from typing import Any


class Wire(asyncio.Transport):
    """A connection from `address`, whose client has not read `stuck` bytes."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        super().__init__({"peername": (address, 1234), "sockname": ("192.0.2.2", 8000)})
        self.written = b""
        self.writes = 0
        self.stuck = 0
        self.closed = self.aborted = self.paused = False

    @property
    def statuses(self) -> list[int]:
        """The status codes of all answers so far."""
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.written)]

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written += bytes(data)
        self.writes += 1

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def get_write_buffer_size(self) -> int:
        return self.stuck

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False
