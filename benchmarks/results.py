"""What was measured: figures of each round, and their medians."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple


class Figure(NamedTuple):
    """How a figure is shown: title, unit, what it is multiplied by for that, and digits."""

    title: str
    unit: str = ""
    factor: float = 1
    digits: int = 0
    ratio: str = ""

    def column(self) -> str:
        """Return the title of a column."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def shown(self, value: float) -> str:
        """Return a value as a number, with more digits if it is small."""
        found = value * self.factor
        return f"{found:.{self.digits if found >= 10 else max(self.digits, 2)}f}"


FIGURES = {
    "rate": Figure("a second", ratio="ratio"),
    "first": Figure("to the first", "s", digits=2),
    "half": Figure("to half", "s", digits=2),
    "seconds": Figure("to the end", "s", digits=2),
    "ready": Figure("CPU until ready", "s", digits=2),
    "cpu": Figure("CPU each", "µs", 1e6, ratio="ratio by CPU"),
    "store": Figure("CPU of Redis each", "µs", 1e6),
    "p50": Figure("p50", "ms", 1e3, 1),
    "p99": Figure("p99", "ms", 1e3, 1),
    "lag": Figure("loop lag p99", "ms", 1e3, 1),
    "memory": Figure("memory", "MiB", 2**-20, 1),
}


class Round(NamedTuple):
    """One round of a benchmark: figures of a program in a case, in seconds, bytes or a second.

    `cpu` is the CPU time of a server for one unit of work, and `rate` units of work a second.
    """

    case: str
    of: str
    figures: Mapping[str, float]


class Medians:
    """The medians of all rounds."""

    def __init__(self, rounds: Iterable[Round]) -> None:
        self._all: dict[tuple[str, str], dict[str, list[float]]] = {}
        for case, of, figures in rounds:
            found = self._all.setdefault((case, of), {})
            for name, value in figures.items():
                found.setdefault(name, []).append(value)

    def programs(self, case: str) -> list[str]:
        """Return what was measured in a case, its peer first."""
        return [of for found, of in self._all if found == case]

    def cases(self) -> list[str]:
        """Return all cases."""
        return list(dict.fromkeys(case for case, _ in self._all))

    def all(self, case: str, of: str, figure: str) -> Sequence[float]:
        """Return a figure of each round."""
        return self._all[case, of].get(figure, ())

    def median(self, case: str, of: str, figure: str) -> float:
        """Return the median of a figure over all rounds."""
        return median(self.all(case, of, figure))

    def has(self, figure: str) -> bool:
        """Return whether anything has this figure."""
        return any(figure in found for found in self._all.values())
