"""Programs under measurement: their CPU time, and what is said of those that are missing."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from benchmarks.processes import Missing, require_package, require_program, running, wait_for
from benchmarks.server import Server, started

# Its child uses 0.2 s of CPU time, and then waits for the end of its parent.
PARENT = """
import subprocess, sys
busy = "while time.process_time() < 0.2: pass"
wait = "print('done', flush=True); sys.stdin.read()"
child = f"import sys, time\\n{busy}\\n{wait}"
subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE).wait()
"""


def test_cpu_time_includes_that_of_workers() -> None:
    with running([sys.executable, "-c", PARENT]) as program:
        wait_for(lambda: "done" in program.output.read_text(), program)
        assert program.cpu() >= 0.2


def test_a_program_that_ends_is_reported_with_its_output() -> None:
    with (
        running([sys.executable, "-c", "print('no such option')"]) as program,
        pytest.raises(RuntimeError, match="no such option"),
    ):
        wait_for(lambda: False, program)


def test_what_is_missing_names_what_installs_it() -> None:
    with pytest.raises(Missing, match="no-such-program: apt-get install a-package"):
        require_program("no-such-program", "a-package")
    with pytest.raises(Missing, match="no_such_package: make bench installs it"):
        require_package("no_such_package")


@contextmanager
def serve(name: str, *, installed: bool) -> Iterator[Server]:
    if not installed:
        raise Missing(f"{name}: apt-get install {name}")
    yield Server(name, 1, Path(), [])


def test_a_missing_peer_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack:
        servers = started(stack, serve("a", installed=False), serve("b", installed=True))
    assert [server.name for server in servers] == ["b"]
    assert capsys.readouterr().out == "Left out: a: apt-get install a\n"
