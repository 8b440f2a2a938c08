"""The result of one check of `doctor`."""

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# `warning`: it works but may not be what was intended.
State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A part, its state, what was found, and a remedy unless the state is ok."""

    part: str
    state: State
    found: str
    remedy: str | None = None


def ok(part: str, found: str) -> Finding:
    """Return the finding that a part works."""
    return Finding(part, "ok", found)


def warning(part: str, found: str, remedy: str) -> Finding:
    """Return the finding that a part works but may not be what was intended."""
    return Finding(part, "warning", found, remedy)


def failed(part: str, found: str, remedy: str) -> Finding:
    """Return the finding that a part does not work."""
    return Finding(part, "failed", found, remedy)


def exposed_mode(file: Path) -> str | None:
    """Return the mode of a file that other users can access; None if only its owner can."""
    mode = stat.S_IMODE(file.stat().st_mode)
    return f"{mode:04o}" if mode & 0o077 else None
