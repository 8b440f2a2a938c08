"""What `doctor` says of one thing that it has looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it is: `warning` works, and may not be what was meant."""

    ok = "ok"
    warning = "warning"
    failed = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing, how it is, what was found, and what to do about it if it is not ok."""

    part: str
    state: State
    found: str
    remedy: str | None = None
