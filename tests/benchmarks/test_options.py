"""The command line of the benchmarks."""

import pytest

from benchmarks.options import parse

NAMES = ("accept", "scale")


def test_all_are_run_by_default() -> None:
    options = parse([], NAMES)
    assert (options.names, options.rounds, options.deliveries) == ([*NAMES], 3, 1_000_000)
    assert parse(["scale", "--size", "0.02"], NAMES).of(1000) == 20


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["scal"], "unknown benchmark scal; expected accept, scale"),
        (["--rounds", "0"], "argument --rounds: expected a number above 0, got '0'"),
        (["--rounds", "many"], "argument --rounds: expected a number above 0, got 'many'"),
        (["--size", "-1"], "argument --size: expected a number above 0, got '-1'"),
        (["--size", "nan"], "argument --size: expected a number above 0, got 'nan'"),
        (["--deliveries", "0"], "argument --deliveries: expected a number above 0, got '0'"),
    ],
)
def test_a_mistake_is_explained(
    arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments, NAMES)
    assert ended.value.code == 2
    assert error in capsys.readouterr().err
