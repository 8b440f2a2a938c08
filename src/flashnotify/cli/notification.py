"""`flashnotify status`, `cancel`, `retry`: one notification and its deliveries."""

from collections import Counter
from collections.abc import Mapping
from operator import itemgetter
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console

from flashnotify.cli.campus_time import campus_time
from flashnotify.cli.client import Client, CommandFailed, JsonOption, call, connect
from flashnotify.cli.output import print_json
from flashnotify.cli.tables import Columns, last_answer, next_attempt, print_items

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The id from `send`.")]

# Rows of the table, and the order of their statuses: what is not sent comes first.
_ROWS = 200
_ORDER = ("failed", "sending", "queued", "skipped", "cancelled", "sent", "delivered")
_COLUMNS: Columns = {
    "channel": itemgetter("channel"),
    "to": itemgetter("to"),
    "status": itemgetter("status"),
    "attempts": itemgetter("attempt_count"),
    "next attempt": next_attempt,
    "why": last_answer,
}


def status(id: IdArgument, as_json: JsonOption = False) -> None:
    """Show how a notification went, and its deliveries: what is not sent comes first.

    The exit code is 1 if all of them failed.
    """
    found = _status(path_of(id))
    if as_json:
        print_json(found)
    else:
        _show(found)
    if found["outcome"] == "all_failed":
        raise typer.Exit(1)


def cancel(id: IdArgument) -> None:
    """Cancel the deliveries of a notification that are not sent yet."""
    _, now = _act(id, "cancel")
    print(now)


def retry(id: IdArgument) -> None:
    """Retry the deliveries of a notification that failed."""
    found, now = _act(id, "retry")
    # It may have failed again already.
    nothing = found["status"] == "completed" and not _totals(found["counts"])["failed"]
    print(f"{'nothing failed; ' * nothing}{now}")


def _act(id: str, action: str) -> tuple[dict[str, Any], str]:
    """Return the notification after an action, and how it is now."""
    found: dict[str, Any] = call("POST", f"{path_of(id)}/{action}")
    return found, f"{found['status']}: {_counted(found['counts'])}"


def path_of(id: str) -> str:
    """Return the path of a notification. Raise `CommandFailed` if `id` is none."""
    try:
        return f"/v1/notifications/{UUID(id)}"
    except ValueError:
        raise CommandFailed(
            f"ID: {id!r} is not the id of a notification. List them: flashnotify list"
        ) from None


def _status(path: str) -> dict[str, Any]:
    with connect() as client:
        found: dict[str, Any] = client.call("GET", path)
        deliveries = found["deliveries"] = _deliveries(client, path, found["counts"])
        found["more"] = sum(_totals(found["counts"]).values()) > len(deliveries)
        return found


def _deliveries(
    client: Client, path: str, counts: Mapping[str, Mapping[str, int]]
) -> list[dict[str, Any]]:
    """Return the first deliveries of a notification, in the order of their status."""
    found: list[dict[str, Any]] = []
    totals = _totals(counts)
    for status in _ORDER:
        # Counts do not tell apart what is queued and what is being sent.
        counted = totals["queued"] + totals["sending"] if status == "sending" else totals[status]
        if counted and (room := _ROWS - len(found)):
            wanted = {"status": status, "limit": room}
            found += client.list(f"{path}/deliveries", wanted)["items"]
    return found


def _show(found: Mapping[str, Any]) -> None:
    console = Console()
    failed = found["outcome"] == "all_failed"
    sending = sum(delivery["status"] == "sending" for delivery in found["deliveries"])
    console.print(
        f"{'Nothing was sent: ' * failed}{_counted(found['counts'], sending)}",
        style="bold red" if failed else "bold",
    )
    console.print(f"{found['kind']}: {found['title']}", markup=False)
    campus = campus_time()
    times = campus.readable(found)
    accepted = f"accepted {times['accepted_at']} ({campus.name})"
    console.print(f"{found['status']}, {found['priority']}, {accepted}")
    if found["status"] == "scheduled":
        console.print(f"It will be sent at {times['send_at']}.")
    if found["deliveries"]:
        print_items(_COLUMNS, found["deliveries"])
    if found["more"]:
        console.print(f"… and more: GET /v1/notifications/{found['id']}/deliveries lists all.")


def _totals(counts: Mapping[str, Mapping[str, int]]) -> Counter[str]:
    """Return the number of deliveries by status, over all channels."""
    totals: Counter[str] = Counter()
    for of_channel in counts.values():
        totals.update(of_channel)
    return totals


def _counted(counts: Mapping[str, Mapping[str, int]], sending: int = 0) -> str:
    """Return the totals as text. Counts have the `sending` ones among those that are queued."""
    totals = _totals(counts) + Counter(sending=sending)
    totals["queued"] -= sending
    return ", ".join(f"{totals[s]} {s}" for s in _ORDER if totals[s] > 0) or "no deliveries yet"
