"""`flashnotify explain`: why a person did or did not get a notification."""

from typing import Annotated, Any

import typer
from rich.console import Console

from flashnotify.cli.campus_time import campus_time
from flashnotify.cli.client import JsonOption, call
from flashnotify.cli.output import print_json


def explain(
    notification: Annotated[
        str, typer.Argument(metavar="NOTIFICATION", help="The id from `send`.")
    ],
    user: Annotated[
        str,
        typer.Argument(metavar="USER", help="A person: an id, also of the campus directory."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Explain why a person got a notification or not, on which channel and when."""
    wanted = {"notification": notification, "user": user}
    found: dict[str, Any] = call("GET", "/v1/explain", params=wanted)
    if as_json:
        print_json(found)
        return
    console = Console()
    console.print(found["answer"], style="bold", markup=False, soft_wrap=True)
    campus = campus_time()
    for step in found["steps"]:
        at = campus.show(step["at"]) if step["at"] else ""
        channel = f"{step['channel']}: " if "channel" in step else ""
        console.print(f"{at:<20}{channel}{step['text']}", markup=False, soft_wrap=True)
