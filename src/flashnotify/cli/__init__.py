"""The command line: `flashnotify`."""

import gc
import inspect
import os
import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from flashnotify import __version__
from flashnotify.cli.standard_output import flush_output, prepare_output
from flashnotify.errors import FlashNotifyError

# The module of each command, and its function there if that has another name; and its summary, in
# the order of `--help`. Only the module of the given command is imported, and none for `--help`:
# commands that talk to a running `serve` need none of its code.
_COMMANDS = {
    "serve": ("serve", "Run the service."),
    "demo": (
        "demo",
        "Send examples of each kind, show what their recipients would get, and serve until Ctrl-C.",
    ),
    "send": ("send", "Send a notification and print its id once it is accepted."),
    "status": (
        "notification",
        "Show how a notification went, and its deliveries: what is not sent comes first.",
    ),
    "cancel": ("notification", "Cancel the deliveries of a notification that are not sent yet."),
    "retry": ("notification", "Retry the deliveries of a notification that failed."),
    "acknowledgements": (
        "acknowledgements",
        "Show who has acknowledged a notification, and who has not.",
    ),
    "remind": (
        "acknowledgements",
        "Send a notification again to those who have not acknowledged it; print the new id.",
    ),
    "list": ("list_commands:notifications", "List notifications, newest first."),
    "deliveries": (
        "list_commands",
        "List deliveries of all notifications, newest first: what failed today, what Ada got.",
    ),
    "explain": (
        "explain",
        "Explain why a person got a notification or not, on which channel and when.",
    ),
    "queue": (
        "queue",
        "Show how many deliveries wait, by channel, priority and reason, and for how long.",
    ),
    "outbox": ("outbox", "Show the messages that were captured instead of sent."),
    "tail": ("tail", "Follow the events of a running `serve`, one per line."),
    "kinds": (
        "list_commands",
        "List the kinds of notification, with the fields that each takes and requires.",
    ),
    "channels": (
        "list_commands",
        "List the channels with their transports, and say which of them fail.",
    ),
    "devices": ("list_commands", "List the devices that get push, with their addresses for --to."),
    "doctor": (
        "doctor",
        "Check the settings, the archive, the keys, each transport and a running `serve`.",
    ),
    "migrate": (
        "archive",
        "Create or upgrade the archive's tables. `serve` also does this when it starts.",
    ),
    "backup": ("archive", "Copy the archive and its keys to FILE, even while `serve` is running."),
    "keys": ("keys", "Manage API keys."),
    "users": ("users", "Manage people who sign in."),
    "groups": ("groups", "Manage groups of people, for `--to group:SLUG`."),
    "audit": ("audit", "See and verify the audit log."),
}


class _Commands(typer.core.TyperGroup):
    """The commands. Only the one that is called is loaded: help and completion use summaries."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {
            name: typer.core.TyperCommand(name, short_help=summary)
            for name, (_, summary) in _COMMANDS.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and _load(args[0]), rest


def _load(name: str) -> Any:
    module, _, attribute = _COMMANDS[name][0].partition(":")
    command = getattr(_import(f"flashnotify.cli.{module}"), attribute or name)
    if not isinstance(command, typer.Typer):
        function, command = command, typer.Typer(add_completion=False, rich_markup_mode=None)
        command.command(name, help=_unwrapped(function))(function)
    return typer.main.get_command(command)


def _unwrapped(function: Callable[..., Any]) -> str:
    """Return a docstring with one line for each paragraph: help keeps line breaks within one."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.getdoc(function) or "")


def _import(name: str) -> ModuleType:
    """Import a command's module without collecting garbage, a fifth of the time of a start."""
    if name in sys.modules:
        return sys.modules[name]
    gc.disable()
    try:
        return import_module(name)
    finally:
        # Modules live as long as the process: later collections, and that at its end, skip them.
        gc.freeze()
        gc.enable()


def _show_version(requested: bool) -> None:
    if requested:
        print(f"flashnotify {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="flashnotify",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """A notification service for a campus."""


def _require_utf8() -> None:
    """Check that what was typed, and `.env`, can be read. Raise `FlashNotifyError` if not."""
    remedy = "is not UTF-8. Convert it: iconv -f ISO-8859-1 -t UTF-8"
    for number, argument in enumerate(sys.argv):
        # Python keeps each byte that it cannot decode as a lone surrogate: all but ASCII in the
        # locale C.
        if any("\udc80" <= character <= "\udcff" for character in argument):
            try:
                sys.argv[number] = os.fsencode(argument).decode()
            except UnicodeDecodeError:
                shown = os.fsencode(argument).decode(errors="replace")
                raise FlashNotifyError(f"the argument {shown!r} {remedy}") from None
    try:
        Path(".env").read_text("utf-8")
    except UnicodeDecodeError:
        raise FlashNotifyError(f"{Path('.env').absolute()} {remedy}") from None
    except OSError:
        pass  # there is none, or whoever needs it reports this


def main() -> None:
    """Run the command line. An error is one message on standard error and exit code 1."""
    # Only this user may read the files we create (archive, keys, socket).
    os.umask(0o077)
    try:
        prepare_output()
        _require_utf8()
        try:
            app()
        finally:
            flush_output()
    except (FlashNotifyError, OSError) as error:
        print(f"flashnotify: {error}", file=sys.stderr)
        sys.exit(1)
