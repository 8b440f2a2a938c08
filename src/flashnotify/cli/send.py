"""`flashnotify send`: send a notification."""

import sys
from typing import Annotated, Any

import typer

from flashnotify.cli.client import CommandFailed, connect
from flashnotify.cli.error_messages import explain_fault


def send(
    kind: Annotated[str, typer.Option(help="E.g. academic or security.")],
    title: Annotated[str, typer.Option(help="One line.")],
    to: Annotated[list[str], typer.Option(help="E.g. mailto:ada@univ.example. Repeatable.")],
    body: Annotated[
        str | None,
        typer.Argument(metavar="BODY", help="The message. Read from standard input if missing."),
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="A field, such as course=ALG-2. Repeatable.")
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="Only this channel. Repeatable.")
    ] = None,
    priority: Annotated[str | None, typer.Option(help="low, medium, high or critical.")] = None,
    locale: Annotated[str | None, typer.Option(help="E.g. fr.")] = None,
    send_at: Annotated[str | None, typer.Option(help="E.g. 2026-12-01T08:00:00+01:00.")] = None,
    delay: Annotated[
        str | None, typer.Option(help="Instead of --send-at: 30min, 8am, 'tomorrow 8am', ….")
    ] = None,
    expires_at: Annotated[str | None, typer.Option(help="In the same form as --send-at.")] = None,
    reference: Annotated[str | None, typer.Option(help="Your own reference.")] = None,
    personalised: Annotated[
        bool, typer.Option("--personalised", help="Fill placeholders such as ((first_name)).")
    ] = False,
    acknowledge: Annotated[
        bool, typer.Option("--acknowledge", help="Ask recipients to confirm that they read it.")
    ] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Repeated requests with the same key send only once.")
    ] = None,
) -> None:
    """Send a notification and print its id once it is accepted."""
    document = {
        "kind": kind,
        "title": title,
        "body": body if body is not None else _standard_input(),
        "to": to,
        "data": dict(_field(entry) for entry in data or []),
        "channels": channel or None,
        "priority": priority,
        "locale": locale,
        "send_at": send_at,
        "delay": delay,
        "expires_at": expires_at,
        "reference": reference,
        "personalised": personalised or None,
        "acknowledge": acknowledge or None,
    }
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    _send({k: v for k, v in document.items() if v is not None}, headers)


def _field(entry: str) -> tuple[str, str]:
    name, equals, value = entry.partition("=")
    if not equals:
        raise typer.BadParameter(f"{entry!r}: write it as field=value", param_hint="--data")
    return name, value


def _standard_input() -> str:
    if sys.stdin.isatty():
        print("Type the message, and end it with Ctrl-D on a line of its own.", file=sys.stderr)
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandFailed(
            "standard input is not UTF-8. Convert it: iconv -f ISO-8859-1 -t UTF-8"
        ) from None


def _send(document: dict[str, Any], headers: dict[str, str]) -> None:
    with connect() as client:
        accepted = client.call("POST", "/v1/notifications", document=document, headers=headers)
        print(accepted["id"])
        for fault in accepted.get("warnings", ()):
            print(f"Warning: {explain_fault(fault, document)}", file=sys.stderr)
        if not client.served:
            print("Accepted. It will be sent when `flashnotify serve` next runs.", file=sys.stderr)
