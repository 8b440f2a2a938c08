"""Targets of the design ("must"), and whether they hold."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from benchmarks.results import FIGURES, Medians
from benchmarks.server import OWN


class Verdict(NamedTuple):
    """Whether a target holds: what it says, and what was measured."""

    target: str
    measured: str
    holds: bool

    def __str__(self) -> str:
        return f"{self.target}: {'yes' if self.holds else '**no**'}, {self.measured}"


class Target(Protocol):
    """A bound on what FlashNotify does in a case."""

    @property
    def case(self) -> str:
        """Return the case."""

    def verdict(self, found: Medians) -> Verdict | None:
        """Return whether it holds, or none if its peers were not measured."""


class AsGoodAs(NamedTuple):
    """FlashNotify does at least `times` as much as the best peer, by the clock or for its CPU time.

    The peers are by default the first program of the case.
    """

    case: str
    times: float
    peers: Sequence[str] = ()

    def verdict(self, found: Medians) -> Verdict | None:
        """Return whether one of both ratios is at least `times`."""
        programs = found.programs(self.case)
        peers = [peer for peer in self.peers or programs[:1] if peer in programs]
        if not peers:
            return None
        ratios = [
            min(ratio(found, self.case, peer, figure) for peer in peers)
            for figure in ("rate", "cpu")
        ]
        title = f"≥ {self.times:.2g} × {' and '.join(peers)}"
        measured = f"{ratios[0]:.2f}, by CPU {ratios[1]:.2f}"
        return Verdict(title, measured, max(ratios) >= self.times)


class AtMost(NamedTuple):
    """A figure is at most `bound`, or `times` that of the first program plus `bound`."""

    case: str
    figure: str
    bound: float = 0.0
    times: float = 0.0

    def verdict(self, found: Medians) -> Verdict | None:
        """Return whether the median is within the bound."""
        programs = found.programs(self.case)
        if OWN not in programs or (self.times and programs[0] == OWN):
            return None
        shown = FIGURES[self.figure]
        own = found.median(self.case, OWN, self.figure)
        allowed = self.bound
        if self.times:
            allowed += self.times * found.median(self.case, programs[0], self.figure)
        parts = [f"{self.times:g} × {programs[0]}"] if self.times else []
        parts += [f"{shown.shown(self.bound)} {shown.unit}"] if self.bound else []
        return Verdict(f"{shown.title} ≤ {' + '.join(parts)}", shown.shown(own), own <= allowed)


def ratio(found: Medians, case: str, peer: str, figure: str, of: str = OWN) -> float:
    """Return how many times as good as a peer's a figure is: a higher rate, or less of the rest."""
    own, theirs = (found.median(case, name, figure) for name in (of, peer))
    return own / theirs if figure == "rate" else theirs / own
