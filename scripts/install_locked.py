"""Install the packages of a lock file with pip, and show how far it is.

Every package is installed as a wheel, by exact version and hash: no compiler is needed, and no code
of a package runs during installation. Only http-ece has no wheel: its few lines of Python are built
here. The build backends are locked too and installed first, hence no isolation. A lock file has all
dependencies, so that pip need not look for any: it would not take a locked package for one with an
extra.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

_PIP = (sys.executable, "-W", "ignore", "-m", "pip", "install", "--require-hashes", "--no-deps")
_SOURCES = ("--only-binary", ":all:", "--no-binary", "http-ece", "--no-build-isolation")
# How pip begins the line of a package: once for each in the lock file.
_FOUND = ("Collecting ", "Requirement already satisfied", "Ignoring ")


def install(lock: str) -> int:
    """Install the packages of a lock file and return pip's exit code."""
    command = [*_PIP, *_SOURCES, "--requirement", lock]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(  # noqa: S603  # our own command
        command, stdout=subprocess.PIPE, text=True, env=environment
    ) as pip:
        assert pip.stdout is not None
        locked = [line for line in Path(lock).read_text().splitlines() if "==" in line]
        _follow(pip.stdout, total=len(locked))
    return pip.returncode


def _follow(lines: Iterable[str], *, total: int) -> None:
    found = 0
    for line in lines:
        if line.startswith(_FOUND):
            found += 1
            _show(f"found {found} of {total} packages")
        elif line.startswith("Installing "):
            _show(f"installing {total} packages")
    _show(f"{total} packages", end="\n")


def _show(step: str, end: str = "\r") -> None:
    # Without a terminal, one line for each lock file is enough.
    if end == "\n" or sys.stdout.isatty():
        print(f"  {step:<40}", end=end, flush=True)


if __name__ == "__main__":
    sys.exit(install(sys.argv[1]))
