"""`flashnotify send`, `status`, `outbox`: notifications from the command line."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flashnotify.cli.client import JsonOption, connect
from flashnotify.cli.tables import print_table


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("send")(send)
    app.command("status")(status)
    app.command("outbox")(outbox)


def send(
    kind: Annotated[str, typer.Option(help="Such as academic or security.")],
    title: Annotated[str, typer.Option(help="One line.")],
    to: Annotated[list[str], typer.Option(help="Such as mailto:ada@univ.example. Repeat it.")],
    body: Annotated[
        str | None, typer.Argument(help="The message; without it, standard input is read.")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="A field of the kind, such as course=ALG-2. Repeat it.")
    ] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Only this channel. Repeat it.")] = None,
    priority: Annotated[str | None, typer.Option(help="low, medium, high or critical.")] = None,
    locale: Annotated[str | None, typer.Option(help="Such as fr.")] = None,
    send_at: Annotated[str | None, typer.Option(help="Such as 2026-12-01T08:00:00+01:00.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="As send-at.")] = None,
    reference: Annotated[str | None, typer.Option(help="Your own identifier for it.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="With the same key it is sent once, however often you ask.")
    ] = None,
) -> None:
    """Send a notification, and print its id once it is accepted."""
    document = {
        "kind": kind,
        "title": title,
        "body": body if body is not None else sys.stdin.read(),
        "to": to,
        "data": dict(_field(entry) for entry in data or []),
        "channels": channel or None,
        "priority": priority,
        "locale": locale,
        "send_at": send_at,
        "expires_at": expires_at,
        "reference": reference,
    }
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    asyncio.run(_send({k: v for k, v in document.items() if v is not None}, headers))


def status(
    id: Annotated[str, typer.Argument(help="What `send` printed.")], as_json: JsonOption = False
) -> None:
    """Show where a notification is, and what became of each delivery."""
    shown = asyncio.run(_status(quote(id, safe="")))
    if as_json:
        print(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    console = Console()
    console.print(f"{shown['kind']}: {shown['title']}", markup=False)
    console.print(f"{shown['status']}, {shown['priority']}, accepted {shown['accepted_at']}")
    if shown["status"] == "scheduled":
        console.print(f"It is sent at {shown['send_at']}.")
    table = Table("channel", "to", "status", "attempts", "last answer")
    for delivery in shown["deliveries"]:
        attempts = delivery["attempts"]
        answer = attempts[-1]["answer"] if attempts else delivery["reason"]
        table.add_row(
            delivery["channel"],
            escape(delivery["to"]),
            delivery["status"],
            str(len(attempts)),
            escape(answer or ""),
        )
    print_table(table)
    if shown["more"]:
        console.print(f"… and more: GET /v1/notifications/{shown['id']}/deliveries has all.")


def outbox(
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many, newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show what was captured instead of being sent."""
    page = asyncio.run(_call("GET", "/v1/outbox", params={"limit": limit}))
    if as_json:
        print(json.dumps(page, indent=2, ensure_ascii=False))
        return
    console = Console()
    for message in page["items"]:
        console.rule(escape(f"{message['channel']} to {message['to']}, {message['captured_at']}"))
        if message["subject"]:
            console.print(message["subject"], style="bold", markup=False)
        console.print(message["text"], markup=False, highlight=False)
    if not page["items"]:
        console.print("Nothing was captured. Transports other than capture:// keep nothing here.")


def _field(entry: str) -> tuple[str, str]:
    name, equals, value = entry.partition("=")
    if not equals:
        raise typer.BadParameter(f"{entry!r}: write it as field=value", param_hint="--data")
    return name, value


async def _send(document: dict[str, Any], headers: dict[str, str]) -> None:
    async with connect() as client:
        accepted = await client.call("POST", "/v1/notifications", json=document, headers=headers)
        print(accepted["id"])
        if not client.served:
            print("Accepted. It is sent when `flashnotify serve` runs next.", file=sys.stderr)


async def _status(id: str) -> dict[str, Any]:
    path = f"/v1/notifications/{id}"
    async with connect() as client:
        shown: dict[str, Any] = await client.call("GET", path)
        page = await client.call("GET", f"{path}/deliveries", params={"limit": 200})
        shown["deliveries"] = page["items"]
        shown["more"] = page["next"] is not None
        return shown


async def _call(method: str, path: str, **request: Any) -> Any:
    async with connect() as client:
        return await client.call(method, path, **request)
