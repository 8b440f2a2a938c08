"""Run benchmarks, print their tables, and keep them in `benchmarks/results`."""

import json
import os
import platform
import sys
import time
from pathlib import Path

from benchmarks import accept, sustained
from benchmarks.options import parse
from benchmarks.processes import LOAD, SERVER, Missing
from benchmarks.table import Result

BENCHMARKS = {"accept": accept.measure, "sustained": sustained.measure}
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the named benchmarks, or all."""
    options = parse(sys.argv[1:], BENCHMARKS)
    if SERVER == LOAD:
        sys.exit("The server and the load need a core each.")
    os.sched_setaffinity(0, {LOAD})
    RESULTS.mkdir(exist_ok=True)
    for name in options.names:
        began = time.monotonic()
        print(f"\n## {name}\n", flush=True)
        try:
            result = BENCHMARKS[name](options)
        except Missing as missing:
            print(f"Left out: {missing}")
            continue
        _keep(name, result)
        print(f"\n{result.markdown()}\n{time.monotonic() - began:.0f} s", flush=True)


def _keep(name: str, result: Result) -> None:
    (RESULTS / f"{name}.md").write_text(result.markdown())
    found = {
        "python": platform.python_version(),
        "rounds": [measured._asdict() for measured in result.rounds],
        "targets": [verdict._asdict() for verdict in result.verdicts()],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1))


main()
