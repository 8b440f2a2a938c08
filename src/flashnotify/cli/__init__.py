"""The command line: `flashnotify`."""

from __future__ import annotations

import os
import sys

import typer

from flashnotify.cli import backup, demo, doctor, keys, migrate, notifications, serve, tail
from flashnotify.errors import FlashNotifyError

app = typer.Typer(
    name="flashnotify",
    help="The notification service of a campus.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
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
