"""`flashnotify groups`: create and list groups, and say who is in them."""

import json
from operator import itemgetter
from typing import Annotated, Any
from urllib.parse import quote

import typer

from flashnotify.cli.client import CommandFailed, JsonOption, connect
from flashnotify.cli.list_commands import LimitOption
from flashnotify.cli.tables import Listing

groups = typer.Typer(
    name="groups",
    help="Manage groups of people, for `--to group:SLUG`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", help="A slug or id.")]
UsersArgument = Annotated[list[str], typer.Argument(metavar="USER", help="Ids or external ids.")]


@groups.command("list")
def index(
    search: Annotated[
        str | None, typer.Option(help="Part of a slug, a name or an external id.")
    ] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List groups, newest first."""
    _GROUPS.show(as_json=as_json, search=search, limit=limit)


@groups.command()
def create(
    slug: Annotated[str, typer.Argument(help="E.g. l3-info, for --to group:l3-info.")],
    name: Annotated[str, typer.Option(help="E.g. 'L3 Informatique'.")],
    rule: Annotated[
        str | None, typer.Option(help="""JSON over attributes, e.g. '{"campus": ["Nord"]}'.""")
    ] = None,
    joinable: Annotated[bool, typer.Option(help="People join and leave it: a topic.")] = False,
    kind: Annotated[str | None, typer.Option(help="The kind of a topic, e.g. academic.")] = None,
) -> None:
    """Create a group and print its id."""
    wanted = {"slug": slug, "name": name, "joinable": joinable, "kind": kind, "rule": _rule(rule)}
    with connect() as client:
        print(client.call("POST", "/v1/groups", document=wanted)["id"])


@groups.command()
def show(group: GroupArgument, limit: LimitOption = 20, as_json: JsonOption = False) -> None:
    """List the members of a group; those by a rule or a subgroup are not among them."""
    members = Listing(f"{_path(group)}/members", _MEMBERS, "The group has no members of its own.")
    members.show(as_json=as_json, limit=limit)


@groups.command()
def add(group: GroupArgument, users: UsersArgument) -> None:
    """Add people to a group."""
    with connect() as client:
        answer = client.call("POST", f"{_path(group)}/members", document={"members": users})
    print(f"{answer['added']} added, {answer['already']} in the group already")


@groups.command()
def remove(group: GroupArgument, users: UsersArgument) -> None:
    """Remove people from a group."""
    with connect() as client:
        for user in users:
            client.call("DELETE", f"{_path(group)}/members/{quote(user, safe='')}")


def _path(group: str) -> str:
    return f"/v1/groups/{quote(group, safe='')}"


def _rule(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        raise CommandFailed("--rule is not JSON") from None


_GROUPS = Listing(
    "/v1/groups",
    {
        "slug": itemgetter("slug"),
        "name": itemgetter("name"),
        "external id": itemgetter("external_id"),
        "rule": lambda group: group["rule"] and json.dumps(group["rule"], ensure_ascii=False),
        "topic": lambda group: "yes" if group["joinable"] else None,
        "id": itemgetter("id"),
    },
    "No group matches.",
)
_MEMBERS = {
    "external id": itemgetter("external_id"),
    "name": itemgetter("name"),
    "source": itemgetter("source"),
    "since ({zone})": itemgetter("since"),
    "id": itemgetter("id"),
}
