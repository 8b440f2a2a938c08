"""`flashnotify keys`: create, list, rotate and revoke API keys."""

import sys
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
            help="A permission: notify:KIND (see `kinds`), notify:*, read (what the key sends, and "
            "the state of the service), read:all, devices, people or admin. Repeatable."
        ),
    ],
    max_priority: Annotated[
        str, typer.Option(help="Highest priority it may use, unless the kind's own is higher.")
    ] = "high",
    expires_at: Annotated[
        str | None, typer.Option(help="E.g. 2027-01-01 or 2027-01-01T08:00+01:00.")
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="A channel that it may use; default: all. Repeatable.")
    ] = None,
    recipients_per_day: Annotated[
        int | None, typer.Option(help="How many recipients it may reach in a day of the campus.")
    ] = None,
    rate_limit: Annotated[
        str | None, typer.Option(help="Its own limit of requests, e.g. 50/second.")
    ] = None,
) -> None:
    """Create an API key and print it. It is not shown again."""
    request: dict[str, Any] = {"name": name, "scopes": scope, "max_priority": max_priority}
    limits = {
        "channels": channel or None,
        "recipients_per_day": recipients_per_day,
        "rate_limit": rate_limit,
    }
    request |= {name: value for name, value in limits.items() if value is not None}
    if expires_at is not None:
        request["expires_at"] = campus_time().parse(expires_at, "--expires-at")
    made = call("POST", "/v1/api-keys", document=request)
    print(made["key"])
    # Standard output has the key alone.
    print(f"Its id, to rotate or revoke it: {made['id']}", file=sys.stderr)


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


@keys.command()
def rotate(
    id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, from `keys list`.")],
    overlap: Annotated[
        int,
        typer.Option(help="Seconds for which its present secret stays valid; 0 if it has leaked."),
    ] = 86_400,
) -> None:
    """Give an API key a new secret and print it. It is not shown again."""
    path = f"/v1/api-keys/{quote(id, safe='') or '-'}/rotate"
    print(call("POST", path, document={"overlap": overlap})["key"])


_EXPIRY = {"valid": "expires", "expires_soon": "expires soon:", "expired": "expired"}


def _state(key: dict[str, Any]) -> str:
    if key["revoked_at"]:
        return f"revoked {key['revoked_at']}"
    if key["expires_at"]:
        return f"{_EXPIRY[key['state']]} {key['expires_at']}"
    return "valid"


def _limits(key: dict[str, Any]) -> str:
    given = [*(key["channels"] or ()), key["rate_limit"]]
    if key["recipients_per_day"]:
        given.append(f"{key['recipients_per_day']} recipients a day")
    return ", ".join(filter(None, given))


def _last_used(key: dict[str, Any]) -> str:
    place = f" from {key['last_used_from']}" * bool(key["last_used_from"])
    return f"{key['last_used_at']}{place}" if key["last_used_at"] else "never"


_KEYS = Listing(
    "/v1/api-keys",
    {
        "id": itemgetter("id"),
        "name": itemgetter("name"),
        "scopes": lambda key: " ".join(key["scopes"]),
        "max priority": itemgetter("max_priority"),
        "limits": _limits,
        "last used ({zone})": _last_used,
        "state": _state,
    },
    "There are no API keys: create one with `keys create`.",
)
