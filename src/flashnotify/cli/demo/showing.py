"""Sending the examples, and showing what their recipients get."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from flashnotify.cli.client import CommandFailed
from flashnotify.cli.demo.examples import examples
from flashnotify.cli.local import InProcess

# Seconds within which everything must be sent, and between two checks.
_TIMEOUT = 30.0
_PAUSE = 0.05
_IN_PROGRESS = ("queued", "sending")
_DEVICE = {"type": "ntfy", "topic": "ada-demo", "label": "Ada's phone"}
_COLOURS = {"email": "blue", "sms": "green", "push": "magenta", "chat": "cyan"}


async def send_and_show(client: InProcess, console: Console, zone: ZoneInfo) -> None:
    """Send all examples and show what their recipients get.

    Raise `CommandFailed` if not everything was sent in time.
    """
    device = (await client.call("POST", "/v1/devices", json=_DEVICE))["address"]
    sent = [
        (example, (await client.call("POST", "/v1/notifications", json=example))["id"])
        for example in examples(datetime.now(zone), device)
    ]
    try:
        async with asyncio.timeout(_TIMEOUT):
            settled = [await _settled(client, id) for _, id in sent]
    except TimeoutError:
        raise CommandFailed(f"Not all were sent within {_TIMEOUT:g} s: check the log.") from None
    for (example, id), deliveries in zip(sent, settled, strict=True):
        captured = await client.call("GET", "/v1/outbox", params={"notification": id})
        messages = {message["delivery_id"]: message for message in captured["items"]}
        console.rule(f"{example['kind']}, {example['locale']}")
        for delivery in deliveries:
            console.print(_panel(delivery, messages.get(delivery["id"]), zone))


async def _settled(client: InProcess, id: str) -> Sequence[dict[str, Any]]:
    """Return the deliveries of a notification once each has ended or is waiting."""
    while True:
        page = await client.call("GET", f"/v1/notifications/{id}/deliveries")
        deliveries: Sequence[dict[str, Any]] = page["items"]
        if deliveries and all(d["status"] not in _IN_PROGRESS or d["reason"] for d in deliveries):
            return deliveries
        await asyncio.sleep(_PAUSE)


def _panel(delivery: dict[str, Any], message: dict[str, Any] | None, zone: ZoneInfo) -> Panel:
    """Show the message of a delivery, or why it waits or was not sent."""
    channel, due = delivery["channel"], delivery["next_attempt_at"]
    if message is not None:
        subject = f"{message['subject']}\n\n" if message["subject"] else ""
        content, colour = (
            Text.assemble((subject, "bold"), message["text"]),
            _COLOURS.get(channel, ""),
        )
    else:
        at = f", at {datetime.fromisoformat(due).astimezone(zone):%H:%M}" if due else ""
        content, colour = Text(f"{delivery['status']}: {delivery['reason']}{at}"), "yellow"
    title = f"{channel} to {delivery['to']}"
    return Panel(content, title=title, title_align="left", border_style=colour)
