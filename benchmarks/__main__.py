"""Run benchmarks, print their tables, and keep them in `benchmarks/results`."""

import json
import os
import platform
import sys
import time
import traceback
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
BENCHMARKS = {module.__name__.rpartition(".")[2]: module.measure for module in _ALL}
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the named benchmarks, or all."""
    options = parse(sys.argv[1:], BENCHMARKS)
    if SERVER == LOAD:
        sys.exit("The server and the load need a core each.")
    os.sched_setaffinity(0, {LOAD})
    RESULTS.mkdir(exist_ok=True)
    failed = [name for name in options.names if not _run(name, options)]
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


def _run(name: str, options: Options) -> bool:
    """Run one benchmark; return whether it came to its end. A failure does not stop the others."""
    began = time.monotonic()
    print(f"\n## {name}\n", flush=True)
    try:
        result = BENCHMARKS[name](options)
    except Missing as missing:
        print(f"Left out: {missing}")
    except Exception:  # noqa: BLE001  # whatever it is, the others are measured
        traceback.print_exc()
        return False
    else:
        _keep(name, result)
        print(f"\n{result.markdown()}\n{time.monotonic() - began:.0f} s", flush=True)
    return True


def _keep(name: str, result: Result) -> None:
    (RESULTS / f"{name}.md").write_text(result.markdown())
    found = {
        "python": platform.python_version(),
        "rounds": [measured._asdict() for measured in result.rounds],
        "targets": [{"case": case, **verdict._asdict()} for case, verdict in result.verdicts()],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1))


main()
