"""The command line of `python -m benchmarks`."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, TypeVar

N = TypeVar("N", int, float)


class Options(NamedTuple):
    """What to measure: `size` is a part of the usual work, `deliveries` the largest archive."""

    names: Sequence[str]
    rounds: int
    size: float
    deliveries: int

    def of(self, number: int) -> int:
        """Return a number of units of work, as `size` has it."""
        return max(1, round(number * self.size))


def parse(arguments: Sequence[str], names: Collection[str]) -> Options:
    """Return the options; exit with a message if they are wrong."""
    parser = ArgumentParser(prog="python -m benchmarks", description="Measure, and print tables.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(names)}")
    parser.add_argument(
        "--rounds", type=_above_0(int), default=3, help="rounds of each (default: 3)"
    )
    parser.add_argument(
        "--size", type=_above_0(float), default=1.0, help="part of the work, for a trial"
    )
    parser.add_argument(
        "--deliveries",
        type=_above_0(int),
        default=1_000_000,
        help="in the largest archive of `scale` (default: 1000000)",
    )
    found = parser.parse_args(arguments)
    if unknown := set(found.names) - set(names):
        parser.error(f"unknown benchmark {', '.join(unknown)}; expected {', '.join(names)}")
    return Options(found.names or list(names), found.rounds, found.size, found.deliveries)


def _above_0(number: Callable[[str], N]) -> Callable[[str], N]:
    def parsed(text: str) -> N:
        try:
            found = number(text)
        except ValueError:
            found = number("0")
        if not 0 < found < 1e12:
            raise ArgumentTypeError(f"expected a number above 0, got {text!r}")
        return found

    return parsed
