"""`flashnotify audit`: what was done by whom, and whether that record is whole."""

import re
from operator import itemgetter
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from flashnotify.cli.campus_time import campus_time
from flashnotify.cli.client import CommandFailed, JsonOption, call
from flashnotify.cli.list_commands import LimitOption, SinceOption, UntilOption
from flashnotify.cli.tables import Listing

# As the API takes it.
_EXPECTED = re.compile(r"[0-9]{1,18}:[0-9a-f]{64}")

audit = typer.Typer(
    name="audit",
    help="See and verify the audit log.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@audit.command("list")
def index(
    actor: Annotated[
        str | None, typer.Option(help="Who: user:ID, the id of a key, or local.")
    ] = None,
    action: Annotated[
        str | None, typer.Option(help="What: key.created, or key. for all about keys.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="To what: e.g. key:ID.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List what was done by whom, newest first."""
    _ENTRIES.show(
        as_json=as_json,
        actor=actor,
        action=action,
        target=target,
        since=campus_time().parse(since, "--since"),
        until=campus_time().parse(until, "--until"),
        limit=limit,
    )


@audit.command()
def verify(
    expect: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER:HASH",
            help="What an earlier verification printed: shows whether the newest were removed.",
        ),
    ] = None,
) -> None:
    """Verify that no entry was changed, removed or moved, and print the last one's number and hash.

    Keep that line where nobody can change it who can change the archive. The exit code is 1 if the
    log was tampered with.
    """
    if expect is not None and not _EXPECTED.fullmatch(expect):
        raise CommandFailed("--expect takes what an earlier `audit verify` printed: NUMBER:HASH")
    asked: dict[str, Any] = {} if expect is None else {"expect": expect}
    found = call("GET", f"/v1/audit/verification?{urlencode(asked)}")
    missing, broken = found["expected"] is False, found["broken"]
    while found["next"] is not None:
        found = call("GET", f"/v1/audit/verification?after={found['next']}")
        broken += found["broken"]
    if found["number"]:
        print(f"{found['number']}:{found['hash']}")
    if broken:
        numbers = ", ".join(map(str, broken[:20])) + ", …" * (len(broken) > 20)
        typer.echo(f"Changed, or entries are missing before them: {numbers}", err=True)
    if missing:
        typer.echo(f"The log has no entry {expect} any more: it was removed or changed.", err=True)
    if broken or missing:
        raise typer.Exit(1)


def _details(entry: dict[str, Any]) -> str:
    return " ".join(f"{name}={_value(value)}" for name, value in entry["details"].items())


def _value(value: Any) -> str:
    return ",".join(map(_value, value)) if isinstance(value, list) else str(value)


_ENTRIES = Listing(
    "/v1/audit",
    {
        "number": itemgetter("number"),
        "at ({zone})": lambda entry: campus_time().show(entry["at"]),
        "actor": itemgetter("actor"),
        "from": itemgetter("address"),
        "action": itemgetter("action"),
        "target": itemgetter("target"),
        "details": _details,
    },
    "The audit log has no such entry.",
)
