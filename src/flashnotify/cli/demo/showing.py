"""Sending the examples, and showing what their recipients get."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console, Group
from rich.panel import Panel
from rich.text import Text

from flashnotify.cli.client import Client, CommandFailed
from flashnotify.cli.demo.examples import examples

# Seconds within which everything must be sent, and between two checks.
_TIMEOUT = 30.0
_PAUSE = 0.05
_DEVICE = {"type": "ntfy", "topic": "ada-demo", "label": "Ada's phone"}
_COLOURS = {"email": "blue", "sms": "green", "push": "magenta", "chat": "cyan"}


async def send_and_show(client: Client, console: Console, zone: ZoneInfo) -> None:
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
        console.rule(f"{example['kind']}, {example['locale']}")
        _show(console, zone, deliveries, captured["items"])


async def _settled(client: Client, id: str) -> Sequence[dict[str, Any]]:
    """Return the deliveries of a notification once each has ended or is waiting."""
    while True:
        page = await client.call("GET", f"/v1/notifications/{id}/deliveries")
        deliveries: Sequence[dict[str, Any]] = page["items"]
        if deliveries and not any(map(_in_progress, deliveries)):
            return deliveries
        await asyncio.sleep(_PAUSE)


def _in_progress(delivery: dict[str, Any]) -> bool:
    return delivery["status"] in ("queued", "sending") and delivery["reason"] is None


def _show(
    console: Console,
    zone: ZoneInfo,
    deliveries: Sequence[dict[str, Any]],
    captured: Sequence[dict[str, Any]],
) -> None:
    messages = {message["delivery_id"]: message for message in captured}
    for delivery in deliveries:
        channel = delivery["channel"]
        title = f"{channel} to {delivery['to']}"
        message = messages.get(delivery["id"])
        content = _content(message) if message is not None else _status(delivery, zone)
        colour = _COLOURS.get(channel, "") if message is not None else "yellow"
        console.print(Panel(content, title=title, title_align="left", border_style=colour))


def _content(message: dict[str, Any]) -> Group:
    subject = [Text(f"{message['subject']}\n", style="bold")] if message["subject"] else []
    return Group(*subject, Text(message["text"]))


def _status(delivery: dict[str, Any], zone: ZoneInfo) -> Text:
    """Describe a delivery that is not in the outbox: why it waits or was not sent."""
    due = delivery["next_attempt_at"]
    at = f", at {datetime.fromisoformat(due).astimezone(zone):%H:%M}" if due else ""
    return Text(f"{delivery['status']}: {delivery['reason']}{at}")
