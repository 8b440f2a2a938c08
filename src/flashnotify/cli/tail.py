"""`flashnotify tail`: follow events."""

import asyncio
import json
import os
import signal
import sys
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from flashnotify.archive.sqlite.location import beside
from flashnotify.archive.sqlite.lock import ArchiveLock
from flashnotify.cli.client import CommandFailed, archive_file, over_socket
from flashnotify.cli.event_stream import Event, follow

_COLOURS = {
    "completed": "green",
    "sent": "green",
    "delivered": "green",
    "failed": "red",
    "skipped": "yellow",
    "cancelled": "yellow",
    "expired": "yellow",
}


def tail(
    since: Annotated[
        int | None,
        typer.Option(min=0, help="Start after this event instead of now (0: from the first)."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per line, with the event's id.")
    ] = False,
) -> None:
    """Follow the events of a running `serve`, one per line.

    A broken connection is resumed without missing events. The command ends when `serve` stops
    (exit code 0) or on Ctrl-C (exit code 130).
    """
    # Exit at once: nothing here needs cleaning up.
    signal.signal(signal.SIGINT, _interrupted)
    asyncio.run(_tail(archive_file(), since, as_json=as_json))


async def _tail(archive: Path, since: int | None, *, as_json: bool) -> None:
    lock = ArchiveLock(archive)
    if lock.holder() is None:
        raise CommandFailed(f"No `serve` is running on {archive}. Start `flashnotify serve`.")
    console = Console(soft_wrap=True, highlight=False)
    async with (
        over_socket(beside(archive, "sock")) as http,
        aclosing(follow(http, lock, since)) as events,
    ):
        async for event in events:
            if as_json:
                print(_json(event), flush=True)
            else:
                console.print(_line(event))
    print("serve has stopped.", file=sys.stderr)


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    sys.stdout.flush()
    os._exit(128 + signal.SIGINT)


def _json(event: Event) -> str:
    return json.dumps({"id": event.id, "type": event.type, **(event.data or {})})


def _line(event: Event) -> Text:
    data = event.data or {}
    if event.type == "missed":
        return Text(f"Events {data['first']} to {data['last']} are no longer kept.", "yellow")
    at = datetime.fromisoformat(data["at"]).astimezone()
    status = data["status"]
    line = Text.assemble(
        (f"{at:%Y-%m-%d %H:%M:%S}", "dim"),
        f"  {event.id}  {event.type:<12}  {data['notification_id']}  ",
        (status, _COLOURS.get(status, "")),
    )
    if "channel" in data:
        line.append(f"  {data['channel']}  {data['delivery_id']}")
    return line
