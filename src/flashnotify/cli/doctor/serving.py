"""Checks of the `serve` that holds the archive."""

import json
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from typing import Any

from flashnotify.archive.sqlite.lock import ArchiveLock
from flashnotify.cli.campus_time import campus_time
from flashnotify.cli.client import SocketClient
from flashnotify.cli.doctor.findings import Finding, failed, ok, warning
from flashnotify.settings import ServiceConfig

# Seconds to wait for an answer: a working service gives it at once.
_TIMEOUT = 5.0
_CHECK_LOG = "Check its log."
_TRIED_AGAIN = "Deliveries wait, and serve tries again by itself: it needs no restart."


def serve_findings(config: ServiceConfig, expected: set[str]) -> Sequence[Finding]:
    """Check `serve`, if it is running. `expected` are the transports in our own settings."""
    holder = ArchiveLock(config.archive_file).holder()
    if holder is None:
        return [ok("serve", "not running; the archive is free")]
    part = f"serve (process {holder})"
    try:
        with SocketClient(config.socket, _TIMEOUT) as client:
            ready = _get(client, "/readyz")
            channels = _get(client, "/v1/channels")["items"]
    except (OSError, HTTPException, ValueError, KeyError) as error:
        found = f"holds the archive but does not answer ({type(error).__name__})"
        return [failed(part, found, f"{_CHECK_LOG} If this persists, restart serve.")]
    return [_readiness(part, ready), *_transports(part, channels, expected)]


def _get(client: SocketClient, path: str) -> Any:
    _, answer = client.request("GET", path, None, {})
    return json.loads(answer)


def _readiness(part: str, ready: dict[str, Any]) -> Finding:
    if ready["status"] == "ok":
        return ok(part, "is ready")
    state = warning if ready["status"] == "degraded" else failed
    parts = (f"{name} is {how}" for name, how in ready["parts"].items() if how != "ok")
    return state(part, f"is {ready['status']}: {', '.join(parts)}", _CHECK_LOG)


def _transports(
    part: str, channels: Sequence[dict[str, Any]], expected: set[str]
) -> Iterator[Finding]:
    campus = campus_time()
    running = {f"{c['channel']} {t['name']}": t for c in channels for t in c["transports"]}
    for name, transport in running.items():
        if transport["state"] == "failing":
            since, probe = (
                campus.show(transport[name]) if transport[name] else "now"
                for name in ("failing_since", "next_probe_at")
            )
            found = (
                f"failing since {since}, next probe {probe} ({campus.name}): "
                f"{transport['last_error']}"
            )
            fixable = transport["problem"] is not None
            remedy = "Fix the settings and restart serve." if fixable else _TRIED_AGAIN
            yield failed(f"serve: {name}", found, remedy)
    if running.keys() != expected:
        different = ", ".join(sorted(running.keys() ^ expected))
        yield warning(
            part,
            f"runs with other transports than these settings name ({different})",
            "Restart serve if the settings have changed, or run doctor with serve's environment.",
        )
