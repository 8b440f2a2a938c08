"""`flashnotify users import` and `export`: people as CSV."""

import json
import re
import sys
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from flashnotify.cli.client import CommandFailed, JsonOption, connect
from flashnotify.cli.error_messages import explain_fault
from flashnotify.cli.output import print_json, progress_bar

_COUNTED = ("created", "changed", "unchanged", "deactivated", "kept", "groups_created")


def import_users(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV in UTF-8.", exists=True)],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Import the lines that are good.")
    ] = False,
    deactivate_missing: Annotated[
        bool,
        typer.Option(
            "--deactivate-missing",
            help="Deactivate those whom an import had, and this one has not.",
        ),
    ] = False,
    create_groups: Annotated[
        bool, typer.Option("--create-groups", help="Create groups that are new.")
    ] = False,
    roles: Annotated[
        bool, typer.Option("--roles", help="Let the file say who has which role.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import people from a CSV file, whose first line names the columns.

    The whole file is checked first: a bad line refuses it, unless it is skipped. Interrupted, it
    has imported some; the same file imported again goes on.
    """
    asked = {
        "dry_run": dry_run,
        "skip_bad": skip_bad,
        "deactivate_missing": deactivate_missing,
        "create_groups": create_groups,
        "roles": roles,
    }
    query = urlencode({name: "true" for name, value in asked.items() if value})
    report = _followed(_answer("POST", f"/v1/users/import?{query}", file.read_bytes()))
    if as_json:
        print_json(report)
        return
    print(", ".join(f"{report[n]} {n.replace('_', ' ')}" for n in _COUNTED if report[n]) or "none")
    for fault in report["errors"]:
        print(fault["detail"], file=sys.stderr)
    if report["bad"]:
        print(f"{report['bad']} of {report['lines']} lines were skipped.", file=sys.stderr)
    if dry_run:
        print("Nothing was imported: this was a dry run.", file=sys.stderr)


def export_users(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Standard output if missing.")
    ] = None,
) -> None:
    """Export people as CSV, with the columns of an import."""
    lines = _answer("GET", "/v1/users/export", b"")
    if file is None:
        for line in lines:
            sys.stdout.buffer.write(line)
        return
    with file.open("wb") as opened:
        opened.writelines(lines)


def _answer(method: str, target: str, body: bytes) -> Iterator[bytes]:
    """Yield the lines of an answer. Raise `CommandFailed` if it is a problem."""
    with connect() as client:
        try:
            status, lines = client.stream(method, target, body, {"Content-Type": "text/csv"})
            if status != 200:
                raise CommandFailed(_explained(json.loads(b"".join(lines))))
            yield from lines
        except (OSError, HTTPException) as error:
            raise CommandFailed(
                f"serve broke off ({type(error).__name__}). Import the same file again: it goes on."
            ) from None


def _followed(lines: Iterator[bytes]) -> dict[str, Any]:
    """Show the progress of an import, and return its report."""
    with progress_bar() as progress:
        task = progress.add_task("checking", total=None)
        for line in lines:
            found = json.loads(line)
            if "error" in found:
                raise CommandFailed(_explained(found["error"]))
            if "report" in found:
                report: dict[str, Any] = found["report"]
                return report
            progress.update(
                task, description="importing", completed=found["done"], total=found["of"]
            )
    raise CommandFailed("serve broke off. Import the same file again: it goes on.")


def _explained(problem: dict[str, Any]) -> str:
    mistakes = [explain_fault({**each, "pointer": ""}, None) for each in problem.get("errors", ())]
    text = "\n".join([*mistakes, problem["detail"]])
    return re.sub(r"with (skip_bad|create_groups)=true", _option, text)


def _option(parameter: re.Match[str]) -> str:
    return f"with --{parameter[1].replace('_', '-')}"
