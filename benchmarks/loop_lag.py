"""How late an event loop runs its callbacks, measured in the process of the server.

`python -m benchmarks.loop_lag FILE MODULE …` runs a module with uvloop. It appends to FILE how late
each of a hundred timers a second was.
"""

import asyncio
import runpy
import sys
import time
from array import array
from pathlib import Path
from typing import BinaryIO

import uvloop

_PERIOD = 0.01


def p99(file: Path, since: int) -> float:
    """Return the 99th percentile of the samples in a file after its first bytes, in seconds."""
    found = sorted(array("d", file.read_bytes()[since:]))
    return found[len(found) * 99 // 100] if found else 0.0


def _sample(loop: asyncio.AbstractEventLoop, file: BinaryIO, due: float) -> None:
    now = time.monotonic()
    file.write(array("d", [max(0.0, now - due)]).tobytes())
    loop.call_later(_PERIOD, _sample, loop, file, now + _PERIOD)


def _main() -> None:
    _, file, *sys.argv = sys.argv
    output = Path(file).open("ab", buffering=0)  # noqa: SIM115  # until the process ends
    create = uvloop.new_event_loop

    def new_event_loop() -> uvloop.Loop:
        loop = create()
        loop.call_soon(_sample, loop, output, time.monotonic())
        return loop

    uvloop.new_event_loop = new_event_loop
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
