"""Tries each transport that the settings name, without sending anything."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from flashnotify.app import TRANSPORTS
from flashnotify.channels.capture import CaptureTransport
from flashnotify.channels.transport import Resources
from flashnotify.cli.doctor.findings import Finding, State
from flashnotify.clock import SystemClock
from flashnotify.delivery.transports import OpenChannel, Outlet, open_channel
from flashnotify.errors import Misconfigured, SettingsError, TransportError
from flashnotify.meta.metaclasses import Channel
from flashnotify.meta.registry import CHANNELS
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from flashnotify.settings import ServiceConfig

# Seconds that one of them may take to answer, at the most.
_PATIENCE = 10.0


async def transport_findings(
    config: ServiceConfig, told: Collection[str]
) -> tuple[Sequence[Finding], set[str]]:
    """How each transport does, and the names of all.

    Settings in `told` are known not to work: they are not told again.
    """
    threads = ThreadPoolQueue(1)
    with tempfile.TemporaryDirectory() as scratch:
        resources = Resources(
            SystemClock(), threads, threads, _kept(config, Path(scratch)), config.public_url, str
        )
        try:
            found = await asyncio.gather(
                *(_channel(channel, resources, told) for channel in CHANNELS)
            )
        finally:
            threads.close()
    findings = [finding for of_one, _ in found for finding in of_one]
    return findings, {name for _, names in found for name in names}


def _kept(config: ServiceConfig, scratch: Path) -> Callable[[str], Path]:
    """Where transports find their files. One that is not there yet is not for us to make."""

    def place(name: str) -> Path:
        kept = config.beside(name)
        return kept if kept.exists() else scratch / name

    return place


async def _channel(
    channel: type[Channel], resources: Resources, told: Collection[str]
) -> tuple[Sequence[Finding], Sequence[str]]:
    spec = channel.__channel__
    assert spec.config is not None
    variable = next(s.env for s in spec.config.__config__.settings if s.attribute == "url")
    try:
        opened = open_channel(spec, TRANSPORTS[spec.name], resources)
    except SettingsError as error:
        if any(name in str(error) for name in told):
            return [], []
        reason, _, example = str(error).partition(" Example: ")
        return [Finding(spec.name, State.failed, reason, f"Example: {example}")], []
    if not opened.outlets:
        remedy = f"{variable} names some."
        return [Finding(spec.name, State.ok, f"there are no destinations. {remedy}")], []
    try:
        found = await asyncio.gather(*(_outlet(opened, o, variable) for o in opened.outlets))
    finally:
        await asyncio.gather(*(outlet.transport.close() for outlet in opened.outlets))
    return found, [f"{spec.name} {outlet.name}" for outlet in opened.outlets]


async def _outlet(channel: OpenChannel, outlet: Outlet, variable: str) -> Finding:
    part = f"{channel.spec.name} {outlet.name}"
    transport = outlet.transport
    within = min(_PATIENCE, transport.timeout)
    try:
        async with asyncio.timeout(within):
            found = await transport.check()
    except TimeoutError:
        return _unreachable(part, f"no answer within {within:g} s", variable)
    except Misconfigured as error:
        return Finding(part, State.failed, error.reason, f"Mend {variable}, and start serve anew.")
    except TransportError as error:
        return _unreachable(part, error.reason, variable)
    if isinstance(transport, CaptureTransport):
        return Finding(part, State.warning, found, f"To send for real, set {variable}.")
    return Finding(part, State.ok, found)


def _unreachable(part: str, reason: str, variable: str) -> Finding:
    remedy = f"Does it run, and is the way there open? {variable} says where it is."
    return Finding(part, State.failed, reason, remedy)
