"""`flashnotify keys`: create, list and revoke API keys."""

from operator import itemgetter
from typing import Annotated, Any
from urllib.parse import quote

import typer

from flashnotify.cli.campus_time import campus_time
from flashnotify.cli.client import JsonOption, call
from flashnotify.cli.tables import Listing

keys = typer.Typer(
    name="keys",
    help="Manage API keys.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@keys.command()
def create(
    name: Annotated[str, typer.Option(help="The sender that uses the key.")],
    scope: Annotated[
        list[str],
        typer.Option(
            help="A permission: notify:KIND (see `kinds`), notify:*, read, devices or admin. "
            "Repeatable."
        ),
    ],
    max_priority: Annotated[
        str, typer.Option(help="Highest priority it may use, unless the kind's own is higher.")
    ] = "high",
    expires_at: Annotated[
        str | None, typer.Option(help="E.g. 2027-01-01 or 2027-01-01T08:00+01:00.")
    ] = None,
) -> None:
    """Create an API key and print it. It is not shown again."""
    request: dict[str, Any] = {"name": name, "scopes": scope, "max_priority": max_priority}
    if expires_at is not None:
        request["expires_at"] = campus_time().parse(expires_at, "--expires-at")
    print(call("POST", "/v1/api-keys", document=request)["key"])


@keys.command("list")
def index(as_json: JsonOption = False) -> None:
    """List all API keys, without their secrets."""
    _KEYS.show(as_json=as_json)


@keys.command()
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, from `keys list`.")],
) -> None:
    """Revoke an API key, with immediate effect."""
    call("DELETE", f"/v1/api-keys/{quote(id, safe='') or '-'}")


def _state(key: dict[str, Any]) -> str:
    if key["revoked_at"]:
        return f"revoked {key['revoked_at']}"
    return f"expires {key['expires_at']}" if key["expires_at"] else "valid"


_KEYS = Listing(
    "/v1/api-keys",
    {
        "id": itemgetter("id"),
        "name": itemgetter("name"),
        "scopes": lambda key: " ".join(key["scopes"]),
        "max priority": itemgetter("max_priority"),
        "last used ({zone})": lambda key: key["last_used_at"] or "never",
        "state": _state,
    },
    "There are no API keys: create one with `keys create`.",
)
