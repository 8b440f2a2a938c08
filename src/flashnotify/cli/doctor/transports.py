"""Checks of each transport in the settings, without sending anything."""

import asyncio
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from flashnotify.app import TRANSPORTS
from flashnotify.channels.transport import CaptureTransport, Resources
from flashnotify.cli.doctor.findings import Finding, failed, ok, warning
from flashnotify.clock import SystemClock
from flashnotify.delivery.transports import OpenTransport, open_channel
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

        def locate(name: str) -> Path:
            # A file that does not exist yet would be created there.
            file = config.beside(name)
            return file if file.exists() else Path(scratch, name)

        resources = Resources(SystemClock(), threads, threads, locate, config.public_url, str)
        try:
            checks = (_channel(channel, resources, reported) for channel in CHANNELS.values())
            found = await asyncio.gather(*checks)
        finally:
            threads.close()
    findings = [finding for of_channel in found for finding in of_channel]
    # A finding about a whole channel has the channel's name.
    return findings, {finding.part for finding in findings if finding.part not in TRANSPORTS}


async def _channel(
    channel: type[Channel], resources: Resources, reported: Collection[str]
) -> Sequence[Finding]:
    spec = channel.__channel__
    variable = spec.url_setting.env if spec.url_setting else ""
    try:
        opened = open_channel(spec, TRANSPORTS.get(spec.name, ()), resources)
    except SettingsError as error:
        if any(name in str(error) for name in reported):
            return []
        reason, _, example = str(error).partition(" Example: ")
        return [failed(spec.name, reason, f"Example: {example}")]
    if not opened.transports:
        return [ok(spec.name, f"there are no destinations; {variable} adds some")]
    try:
        return await asyncio.gather(*(_transport(t, variable) for t in opened.transports))
    finally:
        await asyncio.gather(*(t.transport.close() for t in opened.transports))


async def _transport(open_transport: OpenTransport, variable: str) -> Finding:
    part = f"{open_transport.channel} {open_transport.name}"
    transport = open_transport.transport
    within = min(_TIMEOUT, transport.timeout)
    try:
        async with asyncio.timeout(within):
            found = await transport.check()
    except Misconfigured as error:
        remedy = error.remedy or f"Fix {variable}."
        return failed(part, error.reason, f"{remedy} Then restart serve.")
    except (TimeoutError, TransportError) as error:
        remedy = f"Check that it runs and is reachable from here, and that {variable} is right."
        late = f"no answer within {within:g} s"
        return failed(part, late if isinstance(error, TimeoutError) else str(error), remedy)
    if isinstance(transport, CaptureTransport):
        return warning(part, found, f"To send for real, set {variable}.")
    return ok(part, found)
