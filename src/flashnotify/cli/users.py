"""`flashnotify users`: create, list and deactivate people, and set their passwords."""

import sys
from operator import itemgetter
from typing import Annotated, Any
from uuid import UUID

import typer

from flashnotify.cli.client import Client, CommandFailed, JsonOption, connect
from flashnotify.cli.list_commands import LimitOption
from flashnotify.cli.tables import Listing
from flashnotify.cli.user_files import export_users, import_users

users = typer.Typer(
    name="users",
    help="Manage people who sign in.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

UserArgument = Annotated[
    str, typer.Argument(metavar="USER", help="An id, email address or external id.")
]


@users.command()
def create(
    name: Annotated[str, typer.Option(help="E.g. 'Ada Lovelace'.")],
    role: Annotated[str, typer.Option(help="admin, sender, viewer, service or member.")],
    first_name: Annotated[str | None, typer.Option(help="For personalised texts.")] = None,
    last_name: Annotated[str | None, typer.Option(help="For personalised texts.")] = None,
    email: Annotated[str | None, typer.Option(help="To sign in with.")] = None,
    external_id: Annotated[
        str | None, typer.Option(help="The id in the campus directory, also to sign in with.")
    ] = None,
    phone: Annotated[str | None, typer.Option(help="E.g. +33612345678.")] = None,
    locale: Annotated[str | None, typer.Option(help="E.g. fr.")] = None,
    timezone: Annotated[str | None, typer.Option(help="E.g. Europe/Paris.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="A kind that a sender may send. Repeatable.")
    ] = None,
    with_password: Annotated[
        bool, typer.Option("--password", help="Ask for a password, or read standard input.")
    ] = False,
) -> None:
    """Create a user and print the id. Without a password, they cannot sign in with one."""
    wanted = {
        "name": name,
        "first_name": first_name,
        "last_name": last_name,
        "role": role,
        "email": email,
        "external_id": external_id,
        "phone": phone,
        "locale": locale,
        "timezone": timezone,
        "kinds": kind or [],
        "password": _password() if with_password else None,
    }
    with connect() as client:
        id = client.call("POST", "/v1/users", document=wanted)["id"]
    print(id)
    if not (email or external_id):
        print("Nobody can sign in without an email address or external id.", file=sys.stderr)
    elif not with_password:
        login = email or external_id
        print(
            f"There is no password yet. Set one: flashnotify users set-password {login}",
            file=sys.stderr,
        )


@users.command("list")
def index(
    search: Annotated[
        str | None, typer.Option(help="Part of a name, an email address or an external id.")
    ] = None,
    role: Annotated[str | None, typer.Option(help="E.g. admin.")] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List users, newest first."""
    _USERS.show(as_json=as_json, search=search, role=role, limit=limit)


@users.command("set-password")
def set_password(user: UserArgument) -> None:
    """Set a user's password, which is asked for, or read from standard input.

    Their sessions and tokens end at once.
    """
    with connect() as client:
        path = _path_of(client, user)
        client.call("PUT", f"{path}/password", document={"password": _password()})


@users.command()
def deactivate(user: UserArgument) -> None:
    """Deactivate a user: their sessions and tokens end at once, and they cannot sign in."""
    with connect() as client:
        client.call("POST", f"{_path_of(client, user)}/deactivate")


users.command("import")(import_users)
users.command("export")(export_users)


def _password() -> str:
    if sys.stdin.isatty():
        password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return password
    try:
        return sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise CommandFailed("the password on standard input is not UTF-8") from None


def _path_of(client: Client, user: str) -> str:
    """Return the path of a user by id, email address or external id, or raise `CommandFailed`."""
    try:
        return f"/v1/users/{UUID(user)}"
    except ValueError:
        pass
    page = client.list("/v1/users", {"search": user, "limit": 200})
    for found in page["items"]:
        if user == found["external_id"] or user.lower() == (found["email"] or "").lower():
            return f"/v1/users/{found['id']}"
    raise CommandFailed(f"no user has the email address or external id {user!r}")


def _state(user: dict[str, Any]) -> str:
    if not user["active"]:
        return "inactive"
    return "active" if user["has_password"] else "active, no password"


_USERS = Listing(
    "/v1/users",
    {
        "id": itemgetter("id"),
        "name": itemgetter("name"),
        "email": itemgetter("email"),
        "external id": itemgetter("external_id"),
        "role": itemgetter("role"),
        "kinds": lambda user: " ".join(user["kinds"]),
        "last seen ({zone})": lambda user: user["last_seen_at"] or "never",
        "state": _state,
    },
    "No user matches.",
)
