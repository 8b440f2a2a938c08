"""Asks the `serve` that holds the archive how it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from flashnotify.archive.sqlite.lock import ArchiveLock
from flashnotify.cli.client import over_socket
from flashnotify.cli.doctor.findings import Finding, State
from flashnotify.settings import ServiceConfig

# Seconds for an answer: one that works has it at once.
_PATIENCE = 5.0
_LOOK = "Its log says more."


async def serve_findings(config: ServiceConfig, ours: set[str]) -> Sequence[Finding]:
    """How `serve` does, if it runs. `ours` are the transports in the settings that we see."""
    holder = ArchiveLock(config.archive_file).holder()
    if holder is None:
        return [Finding("serve", State.ok, "does not run; the archive is free")]
    part = f"serve (process {holder})"
    try:
        async with over_socket(config) as http:
            ready = (await http.get("/readyz", timeout=_PATIENCE)).json()
            channels = (await http.get("/v1/channels", timeout=_PATIENCE)).json()["items"]
    except (httpx.TransportError, ValueError, KeyError) as error:
        return [
            Finding(
                part,
                State.failed,
                f"holds the archive, and does not answer ({type(error).__name__})",
                f"{_LOOK} If it goes on, stop it and start it anew.",
            )
        ]
    return [_readiness(part, ready), *_breakers(channels), *_differences(part, channels, ours)]


def _readiness(part: str, ready: dict[str, Any]) -> Finding:
    if ready["status"] == "ok":
        return Finding(part, State.ok, "is ready")
    state = State.warning if ready["status"] == "degraded" else State.failed
    parts = (f"{name} is {how}" for name, how in ready["parts"].items() if how != "ok")
    return Finding(part, state, f"is {ready['status']}: {', '.join(parts)}", _LOOK)


def _breakers(channels: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    for channel in channels:
        for transport in channel["transports"]:
            if transport["breaker"] == "closed":
                continue
            part = f"serve: {channel['channel']} {transport['name']}"
            problem = transport["problem"]
            found = f"left alone for now, since it fails{': ' if problem else ''}{problem or ''}"
            remedy = "Mend the settings, and start serve anew." if problem else _LOOK
            yield Finding(part, State.failed, found, remedy)


def _differences(
    part: str, channels: Sequence[dict[str, Any]], ours: set[str]
) -> Iterator[Finding]:
    theirs = {f"{c['channel']} {t['name']}" for c in channels for t in c["transports"]}
    if theirs != ours:
        odd = ", ".join(sorted(theirs ^ ours))
        yield Finding(
            part,
            State.warning,
            f"runs with other transports than the settings here name ({odd})",
            "Start it anew if they have changed, or run this with its environment.",
        )
