"""The command line: `flashnotify`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from flashnotify import __version__
from flashnotify.cli import backup, demo, doctor, keys, migrate, notifications, serve, tail
from flashnotify.errors import FlashNotifyError


def _show_version(wanted: bool) -> None:
    if wanted:
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
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print it, and end."),
    ] = False,
) -> None:
    """The notification service of a campus."""


serve.register(app)
demo.register(app)
notifications.register(app)
keys.register(app)
tail.register(app)
doctor.register(app)
migrate.register(app)
backup.register(app)


def main() -> None:
    """Run the command line. Errors are one message on standard error, and exit code 1."""
    # What it makes (archive, keys, socket) is nobody else's to read.
    os.umask(0o077)
    try:
        app()
    except (FlashNotifyError, OSError) as error:
        print(f"flashnotify: {error}", file=sys.stderr)
        sys.exit(1)
