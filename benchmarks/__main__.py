"""Run benchmarks, print their tables, and keep them in `benchmarks/results`."""

import json
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    accept,
    bulk,
    campus,
    email,
    events,
    fairness,
    http,
    scale,
    start,
    sustained,
    urgency,
)
from benchmarks.options import Options, parse
from benchmarks.processes import LOAD, SERVER, Missing
from benchmarks.table import Result

_ALL = (accept, sustained, bulk, email, http, events, urgency, fairness, campus, scale, start)
BENCHMARKS: dict[str, Callable[[Options], Result]] = {
    module.__name__.rpartition(".")[2]: module.measure for module in _ALL
}
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the named benchmarks, or all, and say which targets do not hold."""
    options = parse(sys.argv[1:], BENCHMARKS)
    if SERVER == LOAD:
        sys.exit("The server and the load need a core each.")
    os.sched_setaffinity(0, {LOAD})
    # What it started ends with it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    RESULTS.mkdir(exist_ok=True)
    try:
        found = {name: _run(name, options) for name in options.names}
    except KeyboardInterrupt:
        sys.exit(f"Interrupted. What was measured before is in {RESULTS}.")
    missed = [
        f"- {name}, {case}: {verdict}"
        for name, result in found.items()
        if result is not None
        for case, verdict in result.verdicts()
        if not verdict.holds
    ]
    print("\n".join(["Targets that do not hold:", *(missed or ["- none"])]))
    if failed := [name for name, result in found.items() if result is None]:
        sys.exit(f"Failed: {', '.join(failed)}.")


def _run(name: str, options: Options) -> Result | None:
    """Run one benchmark, and print its table. None if it fails, which does not stop the others."""
    began = time.monotonic()
    print(f"\n## {name}\n", flush=True)
    try:
        result = BENCHMARKS[name](options)
    except Missing as missing:
        print(f"Left out: {missing}")
        return Result([])
    except Exception:  # noqa: BLE001  # whatever it is, the others are measured
        traceback.print_exc()
        return None
    _keep(name, result)
    print(f"\n{result.markdown()}\n{time.monotonic() - began:.0f} s\n", flush=True)
    return result


def _keep(name: str, result: Result) -> None:
    (RESULTS / f"{name}.md").write_text(result.markdown())
    found = {
        "python": platform.python_version(),
        "rounds": [measured._asdict() for measured in result.rounds],
        "targets": [{"case": case, **verdict._asdict()} for case, verdict in result.verdicts()],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1))


main()
