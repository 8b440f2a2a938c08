"""`flashnotify outbox`: the messages that capture:// transports kept."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from flashnotify.cli.campus_time import campus_time
from flashnotify.cli.client import JsonOption, list_page
from flashnotify.cli.output import print_json


def outbox(
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many, newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the messages that were captured instead of sent."""
    page = list_page("/v1/outbox", {"limit": limit})
    if as_json:
        print_json(page)
        return
    console, campus = Console(), campus_time()
    for message in map(campus.readable, page["items"]):
        at = f"{message['captured_at']} ({campus.name})"
        console.rule(escape(f"{message['channel']} to {message['to']}, {at}"))
        if message["subject"]:
            console.print(message["subject"], style="bold", markup=False)
        console.print(message["text"], markup=False, highlight=False)
    if not page["items"]:
        console.print("Nothing was captured. Only capture:// transports keep messages here.")
