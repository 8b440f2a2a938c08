"""`flashnotify keys`: make, list and revoke API keys."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.table import Table

from flashnotify.cli.client import JsonOption, connect
from flashnotify.cli.tables import print_table


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    keys = typer.Typer(help="The API keys of senders.", no_args_is_help=True)
    keys.command("create")(create)
    keys.command("list")(index)
    keys.command("revoke")(revoke)
    app.add_typer(keys, name="keys")


def create(
    name: Annotated[str, typer.Option(help="Whose key it is.")],
    scope: Annotated[
        list[str],
        typer.Option(
            help="What it may do: notify:KIND, notify:*, read, devices, admin. Repeat it."
        ),
    ],
    max_priority: Annotated[
        str, typer.Option(help="How urgent its notifications may be, beyond the kind's default.")
    ] = "high",
    expires_at: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%dT%H:%M:%S%z"], help="Such as 2027-01-01T00:00:00+0100."),
    ] = None,
) -> None:
    """Make an API key, and print it: it is not shown again."""
    wanted: dict[str, Any] = {"name": name, "scopes": scope, "max_priority": max_priority}
    if expires_at is not None:
        wanted["expires_at"] = expires_at.isoformat()
    print(asyncio.run(_call("POST", "/v1/api-keys", json=wanted))["key"])


def index(as_json: JsonOption = False) -> None:
    """List all API keys, without their secrets."""
    listed = asyncio.run(_call("GET", "/v1/api-keys"))
    if as_json:
        print(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    table = Table("id", "name", "scopes", "max priority", "last used", "state")
    for key in listed["items"]:
        table.add_row(
            key["id"],
            escape(key["name"]),
            " ".join(key["scopes"]),
            key["max_priority"],
            key["last_used_at"] or "never",
            _state(key),
        )
    print_table(table)


def revoke(
    id: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")],
) -> None:
    """Make an API key useless, at once."""
    asyncio.run(_call("DELETE", f"/v1/api-keys/{quote(id, safe='') or '-'}"))


async def _call(method: str, path: str, **request: Any) -> Any:
    async with connect() as client:
        return await client.call(method, path, **request)


def _state(key: dict[str, Any]) -> str:
    if key["revoked_at"]:
        return f"revoked {key['revoked_at']}"
    return f"expires {key['expires_at']}" if key["expires_at"] else "valid"
