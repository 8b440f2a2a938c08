"""Load made by wrk (Debian's package), which is faster than any server here."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.server import LOAD, Server
from benchmarks.table import Measured

_DONE = """
done = function(summary, latency, requests)
  io.write(string.format('\\n{"requests": %d, "us": %d, "p50": %d, "p99": %d, "failed": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
"""


def post(
    server: Server, path: str, body: Mapping[str, object], *, connections: int, seconds: float
) -> Measured:
    """Post the same body over some connections for some seconds. Exit if a request fails."""
    if shutil.which("wrk") is None:
        sys.exit("This benchmark needs wrk: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(_script(server, body))
        before = server.cpu()
        output = subprocess.run(
            [
                *("taskset", "--cpu-list", str(LOAD), "wrk", "--threads", "1"),
                *("--connections", str(connections), "--duration", f"{seconds:g}s"),
                *("--timeout", "20s", "--script", str(script)),
                f"http://127.0.0.1:{server.port}{path}",
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        spent = server.cpu() - before
    found = json.loads(output.strip().rpartition("\n")[2])
    if found["failed"]:
        sys.exit(f"{server.name}: {found['failed']} of {found['requests']} requests failed.")
    return Measured(
        case=f"{connections} connections",
        of=server.name,
        rate=found["requests"] / found["us"] * 1e6,
        cpu=spent / found["requests"],
        p50=found["p50"] / 1e6,
        p99=found["p99"] / 1e6,
    )


def _script(server: Server, body: Mapping[str, object]) -> str:
    headers = {"Content-Type": "application/json", **server.headers}
    lines = ['wrk.method = "POST"', f"wrk.body = [==[{json.dumps(body)}]==]"]
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    return "\n".join(lines) + _DONE
