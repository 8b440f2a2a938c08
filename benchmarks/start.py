"""Start: CPU time until ready and idle memory, also with a million queued; and the command line.

The peer of the service is a bare endpoint in a process that imports the same packages; that of the
commands is Python that imports typer and httpx.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import archive_loader
from benchmarks.notifications import held, mailboxes
from benchmarks.options import Options
from benchmarks.processes import REPOSITORY, python, took
from benchmarks.results import Round
from benchmarks.server import OWN, Server, archive, flashnotify, service, serving
from benchmarks.sinks import gateway
from benchmarks.table import Result
from benchmarks.targets import AtMost, Target

_QUEUED = 1_000_000
_START, _BACKLOG = "start", "start with {:,} queued"
_MIB = 2.0**20
_SETTLE = 3.0
_RUNS = 3
_BARE = "imports alone"
_IMPORTED = (
    "import json, sys, flashnotify.cli.serve; "
    "print(json.dumps([name for name in sys.modules if name.split('.')[0] != 'flashnotify']))"
)
# Their arguments; `{id}` is a notification.
_COMMANDS: dict[str, tuple[str, ...]] = {
    "--version": (),
    "--help": (),
    "status": ("{id}",),
    "list": (),
    "queue": (),
    "outbox": (),
    "keys": ("list",),
    "send": (
        *("A drill", "--kind", "security", "--title", "Drill", "--to", "mailto:ada@univ.example"),
        *("--data", "location=B", "--data", "instructions=Leave"),
    ),
}


def measure(options: Options) -> Result:
    """Measure starts and commands."""
    rounds = [*_starts(options), *_commands(options)]
    backlog = _BACKLOG.format(options.of(_QUEUED))
    targets: list[Target] = [
        AtMost(_START, "ready", times=1.5),
        AtMost(_START, "memory", times=1, bound=40 * _MIB),
        AtMost(backlog, "ready", times=1.5, bound=1),
        AtMost(backlog, "memory", times=1, bound=100 * _MIB),
    ]
    targets += [AtMost(_case(command), "cpu", times=_bound(command)) for command in _COMMANDS]
    return Result(rounds, targets)


def _case(command: str) -> str:
    return f"flashnotify {command}"


def _bound(command: str) -> float:
    """Return how many times the CPU time of importing typer and httpx it may take."""
    return 1.2 if command.startswith("--") else 2


def _starts(options: Options) -> Iterator[Round]:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name, gateway() as sink:
        new, full, modules = Path(name) / "new", Path(name) / "full", Path(name) / "modules"
        for folder in (new, full):
            folder.mkdir()
        queued = options.of(_QUEUED)
        archive_loader.queue(full, queued)
        found = subprocess.run([sys.executable, "-c", _IMPORTED], check=True, capture_output=True)
        modules.write_bytes(found.stdout)
        settings = {"SMS_URL": f"http+json://{sink.address}/"}
        with service(settings, new):
            pass  # It creates the tables, and Python compiles what it imports.
        for _ in range(options.rounds):
            for case, folder in ((_START, new), (_BACKLOG.format(queued), full)):
                with _bare(modules) as server:
                    yield _started(case, server)
                with service(settings, folder) as server:
                    yield _started(case, server)


@contextmanager
def _bare(modules: Path) -> Iterator[Server]:
    command = ("benchmarks.peers.imports", str(modules), "{port}")
    with serving(_BARE, command, path="/docs", folder=REPOSITORY) as server:
        yield server


def _started(case: str, server: Server) -> Round:
    cpu = server.cpu()
    time.sleep(_SETTLE)
    memory = sum(program.memory() for program in server.programs)
    return Round(case, server.name, {"ready": cpu, "memory": memory})


def _commands(options: Options) -> Iterator[Round]:
    imports = [sys.executable, "-c", "import typer, httpx"]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name, flashnotify(folder=Path(name)) as own:
        with own.client() as client:
            id = client.post("/v1/notifications", json=held(mailboxes(1))).json()["id"]
        for _ in range(options.rounds):
            for command, arguments in _COMMANDS.items():
                given = [argument.format(id=id) for argument in arguments]
                yield _run(_case(command), "import typer, httpx", imports, {})
                called = python("flashnotify", command, *given)
                yield _run(_case(command), OWN, called, archive(Path(name)))


def _run(case: str, of: str, command: list[str], environment: dict[str, str]) -> Round:
    found = [took(command, environment) for _ in range(_RUNS)]
    return Round(case, of, {name: min(run[name] for run in found) for name in found[0]})
