"""Run benchmarks, print their tables, and keep them in `benchmarks/results`."""

import json
import sys
from pathlib import Path

from benchmarks import accept
from benchmarks.server import LOAD, SERVER
from benchmarks.table import markdown

BENCHMARKS = {"accept": accept.measure}
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the named benchmarks, or all."""
    names = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        sys.exit(f"unknown benchmark {', '.join(unknown)}; expected {', '.join(BENCHMARKS)}")
    if SERVER == LOAD:
        sys.exit("The server and the load need a core each.")
    RESULTS.mkdir(exist_ok=True)
    for name in names:
        found = BENCHMARKS[name]()
        table = markdown(found)
        print(f"\n## {name}\n\n{table}")
        (RESULTS / f"{name}.md").write_text(table)
        (RESULTS / f"{name}.json").write_text(
            json.dumps([measured._asdict() for measured in found])
        )


main()
