"""The lag of a loop is read from where a round began."""

from array import array
from pathlib import Path

from benchmarks import loop_lag


def test_the_99th_percentile_is_of_this_round(tmp_path: Path) -> None:
    file = tmp_path / "lags"
    before, since = array("d", [9.0]), array("d", [0.001] * 98 + [0.002, 0.5])
    file.write_bytes(before.tobytes() + since.tobytes())
    assert loop_lag.p99(file, len(before.tobytes())) == 0.5
    assert loop_lag.p99(file, file.stat().st_size) == 0
