"""Servers under load: each its own process, on a core of its own."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

# The cores of the server and of the load.
SERVER, LOAD = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
_REPOSITORY = Path(__file__).parents[1]
_TICKS = os.sysconf("SC_CLK_TCK")
_START = 30.0


class Server(NamedTuple):
    """A running server. `headers` are those of an authenticated request."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"
    headers: Mapping[str, str] = {}

    def cpu(self) -> float:
        """Return the CPU time that the process has used so far, in seconds."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(stat[11]) + int(stat[12])) / _TICKS


@contextmanager
def bare(port: int) -> Iterator[Server]:
    """Serve an endpoint with the same fields that stores nothing."""
    command = ["-m", "uvicorn", "benchmarks.bare:app", "--port", str(port), "--no-access-log"]
    with _running(command, _REPOSITORY, os.environ) as process:
        yield _ready(Server("bare FastAPI", port, process), "/docs")


@contextmanager
def flashnotify(port: int) -> Iterator[Server]:
    """Run `flashnotify serve` on a new archive, and create a key that may send."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("FLASHNOTIFY_")},
            "FLASHNOTIFY_DATABASE_URL": f"sqlite:///{folder}/archive.db",
            "FLASHNOTIFY_RATE_LIMIT": "1000000/second",
        }
        command = ["-m", "flashnotify", "serve", "--port", str(port)]
        with _running(command, Path(folder), environment) as process:
            server = _ready(Server("FlashNotify", port, process), "/healthz")
            create = ["keys", "create", "--name", "benchmark", "--scope", "notify:*"]
            key = subprocess.run(
                [sys.executable, "-m", "flashnotify", *create],
                cwd=folder,
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            ).stdout.strip()
            yield server._replace(headers={"Authorization": f"Bearer {key}"})


@contextmanager
def _running(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    command = ["taskset", "--cpu-list", str(SERVER), sys.executable, *arguments]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(_START)


def _ready(server: Server, path: str) -> Server:
    end = time.monotonic() + _START
    while True:
        try:
            if httpx.get(f"http://127.0.0.1:{server.port}{path}").status_code == 200:
                return server
        except httpx.TransportError:
            if time.monotonic() > end or server.process.poll() is not None:
                raise
        time.sleep(0.05)
