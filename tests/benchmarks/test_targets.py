"""What the benchmarks' tables say about rounds that were measured."""

import pytest

from benchmarks.results import Medians, Round
from benchmarks.server import OWN
from benchmarks.table import Result
from benchmarks.targets import AsGoodAs, AtMost


def rounds(of: str, *, rate: float, cpu: float, p50: float = 0.01) -> list[Round]:
    """Return three rounds whose medians are these."""
    return [
        Round("case", of, {"rate": rate * part, "cpu": cpu / part, "p50": p50})
        for part in (0.9, 1, 1.1)
    ]


PEERS = [*rounds("bare", rate=1000, cpu=0.001), *rounds("arq", rate=400, cpu=0.0025)]


@pytest.mark.parametrize(
    ("rate", "cpu", "times", "peers", "holds"),
    [
        (800, 0.002, 0.8, (), True),  # by the clock
        (500, 0.00125, 0.8, (), True),  # by CPU time
        (500, 0.002, 0.8, (), False),
        (500, 0.002, 1, ("arq",), True),
        (500, 0.002, 1, ("arq", "bare"), False),  # the best of them counts
    ],
)
def test_one_ratio_to_the_best_peer_is_enough(
    rate: float, cpu: float, times: float, peers: tuple[str, ...], holds: bool
) -> None:
    verdict = AsGoodAs("case", times, peers).verdict(
        Medians([*PEERS, *rounds(OWN, rate=rate, cpu=cpu)])
    )
    assert verdict is not None
    assert verdict.holds is holds


def test_without_its_peers_there_is_no_verdict() -> None:
    found = Medians(rounds(OWN, rate=1, cpu=1))
    assert AsGoodAs("case", 1, ("taskiq",)).verdict(found) is None


@pytest.mark.parametrize(("p50", "holds"), [(0.025, True), (0.026, False)])
def test_a_bound_may_depend_on_the_peer(p50: float, holds: bool) -> None:
    target = AtMost("case", "p50", times=2, bound=0.005)
    verdict = target.verdict(Medians([*PEERS, *rounds(OWN, rate=1, cpu=1, p50=p50)]))
    assert verdict is not None
    assert (verdict.target, verdict.holds) == ("p50 ≤ 2 × bare + 5.00 ms", holds)


def test_a_table_has_medians_spread_ratios_and_targets() -> None:
    measured = [*PEERS, *rounds(OWN, rate=500, cpu=0.002)]
    *_, own = Result(measured, [AsGoodAs("case", 0.8)]).markdown().splitlines()
    assert own == (
        "| case | FlashNotify | 500 (450 to 550) | 0.50 | 2000 (1818 to 2222) | 0.50 "
        "| 10.0 (10.0 to 10.0) | ≥ 0.8 × bare: **no**, 0.50, by CPU 0.50 |"
    )
