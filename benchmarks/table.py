"""Results as a Markdown table: medians with their spread, ratios to the peer, and targets."""

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.results import FIGURES, Medians, Round
from benchmarks.targets import Target, Verdict, ratio


class Result(NamedTuple):
    """What a benchmark found, what it should have, and the cases to show (by default: all)."""

    rounds: Sequence[Round]
    targets: Sequence[Target] = ()
    cases: Sequence[str] = ()

    def verdicts(self) -> list[tuple[str, Verdict]]:
        """Return which targets hold, with their cases."""
        found = Medians(self.rounds)
        verdicts = [(target.case, target.verdict(found)) for target in self.targets]
        return [(case, verdict) for case, verdict in verdicts if verdict is not None]

    def markdown(self) -> str:
        """Return a table with a line for each program in each case."""
        found, verdicts = Medians(self.rounds), self.verdicts()
        cases = self.cases or found.cases()
        columns = _columns(found, cases)
        lines = [["case", "of", *(title for title, _ in columns), "must"]]
        lines.append(["---"] * len(lines[0]))
        for case in cases:
            programs = found.programs(case)
            for of in programs:
                cells = [column(found, case, of) for _, column in columns]
                musts = [str(verdict) for about, verdict in verdicts if about == case]
                lines.append([case, of, *cells, "<br>".join(musts) if of == programs[-1] else ""])
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


class _Figure(NamedTuple):
    """The column of a figure: its median, and the least and most of all rounds."""

    name: str

    def __call__(self, found: Medians, case: str, of: str) -> str:
        figure, values = FIGURES[self.name], found.all(case, of, self.name)
        if not values:
            return ""
        cell = figure.shown(found.median(case, of, self.name))
        if len(values) > 1:
            cell += f" ({figure.shown(min(values))} to {figure.shown(max(values))})"
        return cell


class _Ratio(NamedTuple):
    """The column of how many times as good as the peer's a figure is."""

    name: str

    def __call__(self, found: Medians, case: str, of: str) -> str:
        peer = found.programs(case)[0]
        if not found.all(case, of, self.name) or not found.all(case, peer, self.name):
            return ""
        return f"{ratio(found, case, peer, self.name, of):.2f}"


def _columns(found: Medians, cases: Sequence[str]) -> list[tuple[str, _Figure | _Ratio]]:
    compared = any(len(found.programs(case)) > 1 for case in cases)
    columns: list[tuple[str, _Figure | _Ratio]] = []
    for name, figure in FIGURES.items():
        if found.has(name):
            columns.append((figure.column(), _Figure(name)))
            if figure.ratio and compared:
                columns.append((figure.ratio, _Ratio(name)))
    return columns
