"""`flashnotify tail`: follow events."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from flashnotify.archive.sqlite.location import beside, missing
from flashnotify.archive.sqlite.lock import ArchiveLock
from flashnotify.cli.campus_time import CampusTime, campus_time
from flashnotify.cli.client import CommandFailed, archive_file
from flashnotify.cli.error_messages import explain
from flashnotify.cli.unix_http import UnixConnection

# Seconds between two attempts to connect: the first wait and the longest.
_FIRST_WAIT = 0.1
_MAX_WAIT = 2.0
# Waits longer than this are reported to the user.
_UNREPORTED_WAIT = 1.0
# Seconds of silence after which a connection counts as broken: three heartbeats of `serve`, whose
# code a command does not import.
TIMEOUT = 45.0
_COLOURS = {
    **dict.fromkeys(("completed", "sent", "delivered"), "green"),
    **dict.fromkeys(("skipped", "cancelled", "expired"), "yellow"),
    "failed": "red",
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
    archive = archive_file()
    lock = ArchiveLock(archive)
    process, place = lock.holder(), archive.absolute()
    if not archive.exists():
        raise CommandFailed(missing(archive))
    if process is None:
        raise CommandFailed(f"No `serve` is running on {place}. Start `flashnotify serve`.")
    times = f"Times: {campus_time().name}. Ctrl-C ends this."
    welcome = f"Following serve (process {process}) on {place}. {times}"
    after = None if since is None else str(since)
    console, campus = Console(soft_wrap=True, highlight=False), campus_time()
    for event in _follow(beside(archive, "sock"), lock, after, welcome):
        if as_json:
            print(json.dumps(event), flush=True)
        else:
            console.print(_line(event, campus))
    print("serve has stopped.", file=sys.stderr)


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    sys.stdout.flush()
    os._exit(128 + signal.SIGINT)


def _follow(
    socket: Path, lock: ArchiveLock, after: str | None, welcome: str
) -> Iterator[dict[str, Any]]:
    """Yield the events from now on, or those after event `after`, until `serve` stops.

    Print `welcome` on standard error once events are followed, so that none can be missed.
    Raise `CommandFailed` if `serve` refuses the request.
    """
    wait, reported = _FIRST_WAIT, False
    while True:
        try:
            for fields in _connection(socket, after):
                wait, reported = _FIRST_WAIT, False
                if welcome:
                    print(welcome, file=sys.stderr)
                    welcome = ""
                after = fields.get("id", after)
                # Without data it is a heartbeat.
                if "data" in fields:
                    event = {"id": int(fields["id"]), "type": fields["event"]}
                    yield event | json.loads(fields["data"])
            reason = "the stream ended"
        except (OSError, HTTPException) as error:
            reason = str(error) or type(error).__name__
        if lock.holder() is None:
            return
        if not reported and wait > _UNREPORTED_WAIT:
            print(f"serve does not answer ({reason}); retrying", file=sys.stderr)
            reported = True
        time.sleep(wait)
        wait = min(2 * wait, _MAX_WAIT)


def _connection(socket: Path, after: str | None) -> Iterator[dict[str, str]]:
    """Yield the fields of each server-sent event (WHATWG HTML, 9.2.6) until the connection ends."""
    headers = {} if after is None else {"Last-Event-ID": after}
    with closing(UnixConnection(socket, TIMEOUT)) as connection:
        connection.request("GET", "/v1/events", headers=headers)
        response = connection.getresponse()
        if response.status in (429, 503):
            return
        if response.status >= 400:
            raise CommandFailed(explain(response.status, response.read()))
        fields: dict[str, str] = {}
        for line in response:
            if text := line.decode().rstrip():
                # `serve` writes the data of an event on one line.
                name, _, value = text.partition(":")
                fields[name] = value.removeprefix(" ")
            else:
                yield fields
                fields = {}


def _line(event: dict[str, Any], campus: CampusTime) -> Text:
    if event["type"] == "missed":
        return Text(f"Events {event['first']} to {event['last']} are no longer kept.", "yellow")
    status = event["status"]
    line = Text.assemble(
        (campus.show(event["at"]), "dim"),
        f"  {event['id']}  {event['type']:<12}  {event['notification_id']}  ",
        (status, _COLOURS.get(status, "")),
    )
    if "channel" in event:
        line.append(f"  {event['channel']}  {event['delivery_id']}")
    return line
