"""What messages are sent to, on the core of the load: a gateway, and Postfix's smtp-sink."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import httpx

from benchmarks.processes import (
    LOAD,
    free_port,
    listens,
    python,
    require_program,
    running,
    wait_for,
)


class Gateway(NamedTuple):
    """A gateway over HTTP that takes everything."""

    port: int

    @property
    def address(self) -> str:
        """Return its host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Return its URL."""
        return f"http://{self.address}/"

    def taken(self) -> int:
        """Return how many messages it has taken."""
        number: int = httpx.get(self.url).json()["number"]
        return number

    def urgent(self) -> dict[str, float]:
        """Return when it took the SMS to each number that begins with +3377."""
        came: dict[str, float] = httpx.get(self.url).json()["urgent"]
        return came


@contextmanager
def gateway() -> Iterator[Gateway]:
    """Run a gateway."""
    port = free_port()
    with running(python("benchmarks.peers.gateway", str(port)), core=LOAD) as program:
        wait_for(listens(port), program)
        yield Gateway(port)


@contextmanager
def smtp_sink(delay: int = 0) -> Iterator[int]:
    """Run an SMTP server that takes and forgets everything, and return its port.

    It waits `delay` seconds before it answers to DATA.
    """
    port, program = free_port(), require_program("smtp-sink", "postfix")
    # It refuses to be root.
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    wait = ("-w", str(delay)) if delay else ()
    with running([program, *user, *wait, f"127.0.0.1:{port}", "1024"], core=LOAD) as sink:
        wait_for(listens(port), sink)
        yield port
