"""Programs under measurement: each a process on the core of servers or that of the load."""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[1]
# The cores of the servers and of the load.
SERVER, LOAD = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
_PATIENCE = 30.0


class Missing(Exception):
    """A program or package that a benchmark needs is not installed; the text says what does it."""


class Running(NamedTuple):
    """A program that runs, with the processes that it started."""

    process: "subprocess.Popen[bytes]"
    output: Path

    def cpu(self) -> float:
        """Return the CPU time that all of its processes have used, in seconds."""
        # Linux has a CPU clock for each process, in nanoseconds; /proc/*/stat counts in 10 ms.
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self._session())

    def memory(self) -> float:
        """Return the memory that its processes have for themselves, in bytes."""
        return 1024 * sum(_private_kilobytes(pid) for pid in self._session())

    def _session(self) -> list[int]:
        return [
            int(p.name) for p in Path("/proc").glob("[0-9]*") if _session(p) == self.process.pid
        ]


@contextmanager
def running(
    arguments: Sequence[str],
    *,
    core: int = SERVER,
    folder: Path = REPOSITORY,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Run a program on one core. It is killed in the end: nothing that it has is of use then."""
    with tempfile.NamedTemporaryFile(prefix="flashnotify-benchmark-") as output:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *arguments],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Running(process, Path(output.name))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(_PATIENCE)


def outcome(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Run a program on the core of servers until it ends, and return the JSON that it prints."""
    done = subprocess.run(
        ["taskset", "--cpu-list", str(SERVER), *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def took(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Run a program on the core of servers, and return how long it took, and its CPU time."""
    before, began = _children(), time.perf_counter()
    command = ["taskset", "--cpu-list", str(SERVER), *arguments]
    subprocess.run(
        command, check=True, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL
    )
    return {"seconds": time.perf_counter() - began, "cpu": _children() - before}


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module."""
    return [sys.executable, "-m", module, *arguments]


def require_program(name: str, package: str) -> str:
    """Return the path of a program; raise `Missing` with the Debian package that has it."""
    # Debian has some of them where only root looks.
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if path is None:
        raise Missing(f"{name}: apt-get install {package}")
    return path


def require_package(name: str) -> None:
    """Raise `Missing` if a Python package that only benchmarks need is not installed."""
    if find_spec(name) is None:
        raise Missing(f"{name}: make bench installs it from requirements-bench.lock")


def free_port() -> int:
    """Return a TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(answers: Callable[[], bool], program: Running, *, interval: float = 0.02) -> None:
    """Wait until `answers`; raise with the program's output if it ends or takes 30 s."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            if answers():
                return
        except OSError:
            pass
        if time.monotonic() > end or program.process.poll() is not None:
            raise RuntimeError(f"it does not start: {program.output.read_text()[-2000:]}")
        time.sleep(interval)


def listens(port: int) -> Callable[[], bool]:
    """Return a function that returns whether something listens on a port."""

    def answers() -> bool:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True

    return answers


def _session(folder: Path) -> int | None:
    try:
        return int((folder / "stat").read_text().rpartition(") ")[2].split()[3])
    except OSError:
        return None


def _private_kilobytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
