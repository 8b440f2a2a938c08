"""The command line: `flashnotify`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from flashnotify import __version__
from flashnotify.cli import backup, demo, doctor, keys, migrate, notifications, serve, tail
from flashnotify.errors import FlashNotifyError


def _show_version(requested: bool) -> None:
    if requested:
        print(f"flashnotify {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="flashnotify",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """A notification service for a campus."""


serve.register(app)
demo.register(app)
notifications.register(app)
keys.register(app)
tail.register(app)
doctor.register(app)
migrate.register(app)
backup.register(app)


def main() -> None:
    """Run the command line. An error is one message on standard error and exit code 1."""
    # Only this user may read the files we create (archive, keys, socket).
    os.umask(0o077)
    try:
        app()
    except (FlashNotifyError, OSError) as error:
        print(f"flashnotify: {error}", file=sys.stderr)
        sys.exit(1)
