"""Results as a Markdown table: medians with their spread, ratios to the peer, and targets."""

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.results import FIGURES, Medians, Round
from benchmarks.targets import Target, Verdict, ratio


class Result(NamedTuple):
    """What a benchmark found, and what it should have."""

    rounds: Sequence[Round]
    targets: Sequence[Target] = ()

    def verdicts(self, case: str | None = None) -> list[Verdict]:
        """Return which targets hold, of one case or of all."""
        found = Medians(self.rounds)
        targets = [target for target in self.targets if case in (None, target.case)]
        return [verdict for target in targets if (verdict := target.verdict(found)) is not None]

    def markdown(self) -> str:
        """Return a table with a line for each program in each case."""
        found = Medians(self.rounds)
        names = [name for name in FIGURES if found.has(name)]
        titles = ["case", "of", *(title for name in names for title in _titles(name)), "must"]
        lines = [titles, ["---"] * len(titles)]
        for case in found.cases():
            for of in found.programs(case):
                cells = [cell for name in names for cell in _cells(found, case, of, name)]
                last = of == found.programs(case)[-1]
                must = "<br>".join(map(str, self.verdicts(case))) if last else ""
                lines.append([case, of, *cells, must])
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _titles(name: str) -> list[str]:
    figure = FIGURES[name]
    return [figure.column(), *([figure.ratio] if figure.ratio else [])]


def _cells(found: Medians, case: str, of: str, name: str) -> list[str]:
    """Return a figure with the least and most of all rounds, and its ratio to the peer's."""
    figure = FIGURES[name]
    values = found.all(case, of, name)
    if not values:
        return [""] * (2 if figure.ratio else 1)
    cell = figure.shown(found.median(case, of, name))
    if len(values) > 1:
        cell += f" ({figure.shown(min(values))} to {figure.shown(max(values))})"
    peer = found.programs(case)[0]
    if not figure.ratio:
        return [cell]
    known = found.all(case, peer, name)
    return [cell, f"{ratio(found, case, peer, name, of):.2f}" if known else ""]
