"""What docs/running.md has for systemd, nginx and retention holds."""

import re
import shutil
import subprocess
from pathlib import Path

from flashnotify.app.service import _FLUSH
from flashnotify.domain import IDEMPOTENCY_LIFETIME
from flashnotify.meta.specs import DEFAULT_RETENTION
from flashnotify.runtime import maintenance
from flashnotify.settings import ServiceConfig
from tests.support.system import requires_program

PAGE = Path(__file__).resolve().parents[2] / "docs" / "running.md"
DAY = 24 * 3_600_000


def block(language: str, containing: str) -> str:
    """Return the one code block of a language that contains a text."""
    page = PAGE.read_text()
    blocks = re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (found,) = (code for code in blocks if containing in code)
    return str(found)


@requires_program("systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = block("ini", "StateDirectory=").replace("/opt/flashnotify/bin/flashnotify", "/bin/true")
    path = tmp_path / "flashnotify.service"
    path.write_text(unit.replace("=flashnotify\nGroup=flashnotify", "=root\nGroup=root"))
    found = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in found.stderr.splitlines() if path.name in line] == []


def test_systemd_waits_until_everything_is_written() -> None:
    drain = ServiceConfig().drain_seconds + _FLUSH
    stop = re.findall(r"(?:TimeoutStopSec=|--stop-timeout[ =])(\d+)", PAGE.read_text())
    assert len(stop) == 4
    assert min(map(int, stop)) > drain


@requires_program("nginx")
def test_nginx_takes_the_configuration(tmp_path: Path) -> None:
    server = block("nginx", "listen 443").replace("listen 443 ssl", f"listen unix:{tmp_path}/x")
    # It would read the certificate, which is not here.
    server = re.sub(r"ssl_certificate\w* \S+;", "", server)
    # And the same service under a path.
    server = server.rstrip().removesuffix("}") + block("nginx", "location /notify/") + "}"
    assert server.count("X-Forwarded-For $proxy_add_x_forwarded_for;") == 2
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"pid {tmp_path}/nginx.pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {tmp_path};\n{server}}}\n"
    )
    nginx = shutil.which("nginx")
    found = subprocess.run(
        [str(nginx), "-t", "-c", config], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    # Without it, everybody who signs in has the same address.
    assert server.count("X-Forwarded-For $proxy_add_x_forwarded_for;") == server.count("proxy_pass")
    size = re.search(r"client_max_body_size (\d+)m;", server)
    assert size
    assert int(size[1]) * 1024 * 1024 >= ServiceConfig().max_batch_bytes


def test_what_is_kept_is_kept_that_long() -> None:
    kept = dict(re.findall(r"^\| (.+?) \| (.+) \|$", PAGE.read_text(), re.MULTILINE))
    for what, how_long in (
        ("notifications of a kind that no longer exists", f"{DEFAULT_RETENTION.days} days"),
        ("answers to an `Idempotency-Key`", f"{IDEMPOTENCY_LIFETIME // 3_600_000} hours"),
        ("events for `GET /v1/events`", f"the latest {maintenance.KEEP_EVENTS:,}"),
        ("counts of `GET /v1/stats`", f"{maintenance._KEEP_TOTALS // DAY} days"),
        ("latencies of `GET /v1/performance`", f"{maintenance._KEEP_LATENCIES // DAY} days"),
    ):
        assert kept[what] == how_long
