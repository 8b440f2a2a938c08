"""`flashnotify queue`: what waits, and why."""

from operator import itemgetter
from typing import Any

from flashnotify.cli.client import JsonOption, call
from flashnotify.cli.output import print_json
from flashnotify.cli.tables import Columns, print_items

_COLUMNS: Columns = {
    "channel": lambda held: held["channel"] or "fan-out",
    "priority": itemgetter("priority"),
    "reason": itemgetter("reason"),
    "waiting": itemgetter("number"),
    "oldest": lambda held: _age(held["oldest_seconds"]),
}


def queue(as_json: JsonOption = False) -> None:
    """Show how many deliveries wait, by channel, priority and reason, and for how long."""
    found: dict[str, Any] = call("GET", "/v1/queue")
    if as_json:
        print_json(found)
    elif found["waiting"]:
        print_items(_COLUMNS, found["waiting"])
    else:
        print("Nothing waits.")


def _age(seconds: float) -> str:
    """Return an age in its largest whole units: 45 s, 12 min, 3 h 5 min."""
    minutes = int(seconds // 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"
