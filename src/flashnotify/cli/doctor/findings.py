"""The result of one check of `doctor`."""

from dataclasses import dataclass
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
