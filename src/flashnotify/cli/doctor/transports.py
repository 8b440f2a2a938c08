"""Checks of each transport in the settings, without sending anything."""

import asyncio
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from flashnotify.app import TRANSPORTS
from flashnotify.channels.transport import CaptureTransport, Resources
from flashnotify.cli.doctor.findings import Finding
from flashnotify.clock import SystemClock
from flashnotify.delivery.transports import OpenChannel, OpenTransport, open_channel
from flashnotify.errors import Misconfigured, SettingsError, TransportError
from flashnotify.meta import Channel
from flashnotify.meta.registry import CHANNELS
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from flashnotify.settings import ServiceConfig

# Seconds that a transport may take to answer.
_TIMEOUT = 10.0


async def transport_findings(
    config: ServiceConfig, reported: Collection[str]
) -> tuple[Sequence[Finding], set[str]]:
    """Check each transport, and return the findings and the names of all transports.

    Faults of the settings in `reported` are not reported again.
    """
    threads = ThreadPoolQueue(1)
    with tempfile.TemporaryDirectory() as scratch:
        resources = Resources(
            SystemClock(), threads, threads, _files(config, Path(scratch)), config.public_url, str
        )
        try:
            channels = await asyncio.gather(
                *(_channel(channel, resources, reported) for channel in CHANNELS.values())
            )
        finally:
            threads.close()
    findings = [finding for found, _ in channels for finding in found]
    return findings, {name for _, names in channels for name in names}


def _files(config: ServiceConfig, scratch: Path) -> Callable[[str], Path]:
    """Locate the files of transports. Files that do not exist yet are created in `scratch`."""

    def locate(name: str) -> Path:
        file = config.beside(name)
        return file if file.exists() else scratch / name

    return locate


async def _channel(
    channel: type[Channel], resources: Resources, reported: Collection[str]
) -> tuple[Sequence[Finding], Sequence[str]]:
    spec = channel.__channel__
    assert spec.config is not None
    variable = next(s.env for s in spec.config.__config__.settings if s.attribute == "url")
    try:
        opened = open_channel(spec, TRANSPORTS[spec.name], resources)
    except SettingsError as error:
        if any(name in str(error) for name in reported):
            return [], []
        reason, _, example = str(error).partition(" Example: ")
        return [Finding(spec.name, "failed", reason, f"Example: {example}")], []
    if not opened.transports:
        reason = f"there are no destinations; {variable} adds some"
        return [Finding(spec.name, "ok", reason)], []
    try:
        found = await asyncio.gather(*(_transport(opened, o, variable) for o in opened.transports))
    finally:
        await asyncio.gather(
            *(open_transport.transport.close() for open_transport in opened.transports)
        )
    return found, [f"{spec.name} {open_transport.name}" for open_transport in opened.transports]


async def _transport(channel: OpenChannel, open_transport: OpenTransport, variable: str) -> Finding:
    part = f"{channel.spec.name} {open_transport.name}"
    transport = open_transport.transport
    within = min(_TIMEOUT, transport.timeout)
    try:
        async with asyncio.timeout(within):
            found = await transport.check()
    except TimeoutError:
        return _unreachable(part, f"no answer within {within:g} s", variable)
    except Misconfigured as error:
        return Finding(part, "failed", error.reason, f"Fix {variable} and restart serve.")
    except TransportError as error:
        return _unreachable(part, error.reason, variable)
    if isinstance(transport, CaptureTransport):
        return Finding(part, "warning", found, f"To send for real, set {variable}.")
    return Finding(part, "ok", found)


def _unreachable(part: str, reason: str, variable: str) -> Finding:
    remedy = f"Check that it runs and is reachable from here, and that {variable} is right."
    return Finding(part, "failed", reason, remedy)
