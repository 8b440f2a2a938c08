"""Results as a table: medians over the rounds, with their spread, and both ratios to the peer."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple


class Measured(NamedTuple):
    """One round of a benchmark. `cpu` is the server's CPU time for one unit of work, in seconds.

    `rate` is in units of work a second, `p50` and `p99` are latencies in seconds.
    """

    case: str
    of: str
    rate: float
    cpu: float
    p50: float
    p99: float


def markdown(found: Sequence[Measured]) -> str:
    """Return a table. The first one measured in a case is the peer of the others."""
    lines = [
        "| case | of | a second (least to most) | ratio | CPU each, µs | ratio by CPU "
        "| p50, ms | p99, ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case in dict.fromkeys(m.case for m in found):
        rounds = [m for m in found if m.case == case]
        peer, *others = dict.fromkeys(m.of for m in rounds)
        base = _of(rounds, peer)
        lines += [_line(case, name, _of(rounds, name), base) for name in (peer, *others)]
    return "\n".join(lines) + "\n"


def _of(rounds: Iterable[Measured], name: str) -> list[Measured]:
    return [m for m in rounds if m.of == name]


def _line(case: str, name: str, own: Sequence[Measured], peer: Sequence[Measured]) -> str:
    rate, cpu = median(m.rate for m in own), median(m.cpu for m in own)
    ratio = rate / median(m.rate for m in peer)
    by_cpu = median(m.cpu for m in peer) / cpu
    spread = f"{min(m.rate for m in own):.0f} to {max(m.rate for m in own):.0f}"
    p50, p99 = (median(getattr(m, name) for m in own) * 1000 for name in ("p50", "p99"))
    return (
        f"| {case} | {name} | {rate:.0f} ({spread}) | {ratio:.2f} | {cpu * 1e6:.0f} | "
        f"{by_cpu:.2f} | {p50:.1f} | {p99:.1f} |"
    )
