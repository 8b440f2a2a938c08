"""`flashnotify acknowledgements`, `remind`: who has read a notification, and who has not."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from flashnotify.cli.client import JsonOption, connect
from flashnotify.cli.notification import IdArgument, path_of
from flashnotify.cli.output import print_json
from flashnotify.cli.tables import Columns, print_items

_COLUMNS: Columns = {
    "recipient": itemgetter("recipient"),
    "name": lambda found: found["name"] or "",
    "status": itemgetter("status"),
    "acknowledged at ({zone})": lambda found: found["acknowledged_at"] or "",
    "channel": lambda found: found["channel"] or "",
}


def acknowledgements(
    id: IdArgument,
    status: Annotated[
        Literal["acknowledged", "silent"] | None, typer.Option(help="Only those who have, or not.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Maximum number of recipients.", min=1)] = 200,
    as_json: JsonOption = False,
) -> None:
    """Show who has acknowledged a notification, and who has not."""
    wanted = {"status": status} if status else {}
    with connect() as client:
        found = _list(client, f"{path_of(id)}/acknowledgements", wanted, limit)
    if as_json:
        print_json(found)
        return
    counted = f"{found['acknowledged']} of {found['recipients']} acknowledged"
    Console().print(f"{counted}, {found['silent']} silent", style="bold")
    if found["items"]:
        print_items(_COLUMNS, found["items"])


def remind(
    id: IdArgument,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Repeated requests with the same key send only once.")
    ] = None,
) -> None:
    """Send a notification again to those who have not acknowledged it; print the new id."""
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    with connect() as client:
        accepted = client.call("POST", f"{path_of(id)}/remind", headers=headers)
        print(accepted["id"])


def _list(client: Any, path: str, wanted: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """Return the first `limit` recipients, with the counts."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        size = {"limit": min(limit - len(items), 200)}
        page: dict[str, Any] = client.call("GET", path, params={**wanted, **size, **cursor})
        items += page["items"]
        if page["next"] is None or len(items) >= limit:
            return page | {"items": items}
        cursor = {"cursor": page["next"]}
