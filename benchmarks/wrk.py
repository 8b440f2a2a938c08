"""Load made by wrk (Debian's package), which is faster than any server here."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.processes import LOAD, require_program
from benchmarks.server import Server

_DONE = """
done = function(summary, latency, requests)
  io.write(string.format('\\n{"requests": %d, "us": %d, "p50": %d, "p99": %d, "failed": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
"""


def post(
    server: Server, path: str, body: object, *, connections: int, seconds: int
) -> tuple[int, dict[str, float]]:
    """Post one body for some seconds. Return how many, rate and latencies; raise if one fails."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(_script(server.headers, body))
        output = subprocess.run(
            [
                *("taskset", "--cpu-list", str(LOAD), require_program("wrk", "wrk")),
                *("--threads", "1", "--connections", str(connections)),
                *("--duration", f"{seconds}s", "--timeout", "20s", "--script", str(script)),
                f"http://127.0.0.1:{server.port}{path}",
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    found: dict[str, Any] = json.loads(output.strip().rpartition("\n")[2])
    if found["failed"] or not found["requests"]:
        raise RuntimeError(f"{server.name}: {found['failed']} of {found['requests']} failed")
    latencies = {name: found[name] / 1e6 for name in ("p50", "p99")}
    return found["requests"], {"rate": found["requests"] / found["us"] * 1e6, **latencies}


def _script(headers: Mapping[str, str], body: object) -> str:
    lines = ['wrk.method = "POST"', f"wrk.body = [==[{json.dumps(body)}]==]"]
    for name, value in {"Content-Type": "application/json", **headers}.items():
        lines.append(f'wrk.headers["{name}"] = "{value}"')
    return "\n".join(lines) + _DONE
