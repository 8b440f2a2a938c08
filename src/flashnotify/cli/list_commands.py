"""`flashnotify list`, `deliveries`, `devices`, `kinds`, `channels`: the API's lists as tables."""

from dataclasses import replace
from operator import itemgetter
from typing import Annotated

import typer

from flashnotify.cli.campus_time import campus_time
from flashnotify.cli.client import JsonOption
from flashnotify.cli.tables import Item, Listing, last_answer, next_attempt

LimitOption = Annotated[int, typer.Option(min=1, max=200, help="How many, newest first.")]
KindOption = Annotated[str | None, typer.Option(help="E.g. academic or security.")]
ChannelOption = Annotated[str | None, typer.Option(help="E.g. email or sms.")]
SinceOption = Annotated[
    str | None, typer.Option(help="Not before: today, or a time such as 2026-12-01T08:00.")
]
UntilOption = Annotated[str | None, typer.Option(help="Before, in the same form as --since.")]


_NOTIFICATIONS = Listing(
    "/v1/notifications",
    {
        "id": itemgetter("id"),
        "accepted ({zone})": itemgetter("accepted_at"),
        "kind": itemgetter("kind"),
        "priority": itemgetter("priority"),
        "status": itemgetter("status"),
        "outcome": itemgetter("outcome"),
        "title": itemgetter("title"),
    },
    "No notification matches.",
)


def notifications(
    kind: KindOption = None,
    status: Annotated[str | None, typer.Option(help="E.g. scheduled or completed.")] = None,
    outcome: Annotated[str | None, typer.Option(help="E.g. all_failed or some_failed.")] = None,
    priority: Annotated[str | None, typer.Option(help="low, medium, high or critical.")] = None,
    reference: Annotated[str | None, typer.Option(help="The sender's own reference.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List notifications, newest first."""
    _NOTIFICATIONS.show(
        as_json=as_json,
        kind=kind,
        status=status,
        outcome=outcome,
        priority=priority,
        reference=reference,
        since=campus_time().parse(since, "--since"),
        until=campus_time().parse(until, "--until"),
        limit=limit,
    )


_DELIVERIES = Listing(
    "/v1/deliveries",
    {
        "notification": itemgetter("notification_id"),
        "updated ({zone})": itemgetter("updated_at"),
        "kind": itemgetter("kind"),
        "channel": itemgetter("channel"),
        "to": itemgetter("to"),
        "status": itemgetter("status"),
        "next attempt": next_attempt,
        "why": last_answer,
    },
    "No delivery matches.",
)
_DELIVERIES_TO = replace(
    _DELIVERIES,
    empty="No delivery to this address matches. --to takes the whole address. What is scheduled "
    "has no deliveries yet: flashnotify list --status scheduled",
)


def deliveries(
    to: Annotated[str | None, typer.Option(help="An address, e.g. ada@univ.example.")] = None,
    user: Annotated[
        str | None, typer.Option(help="A person: an id, also of the campus directory.")
    ] = None,
    status: Annotated[str | None, typer.Option(help="E.g. failed, queued or sent.")] = None,
    channel: ChannelOption = None,
    kind: KindOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List deliveries of all notifications, newest first: what failed today, what Ada got."""
    (_DELIVERIES if to is None else _DELIVERIES_TO).show(
        as_json=as_json,
        to=to,
        user=user,
        status=status,
        channel=channel,
        kind=kind,
        since=campus_time().parse(since, "--since"),
        until=campus_time().parse(until, "--until"),
        limit=limit,
    )


_DEVICES = Listing(
    "/v1/devices",
    {name: itemgetter(name) for name in ("address", "type", "target", "label")},
    "No device is registered.",
)


def devices(limit: LimitOption = 20, as_json: JsonOption = False) -> None:
    """List the devices that get push, with their addresses for --to."""
    _DEVICES.show(as_json=as_json, limit=limit)


_KINDS = Listing(
    "/v1/kinds",
    {
        "kind": itemgetter("kind"),
        "priority": itemgetter("priority"),
        "channels": lambda kind: " ".join(kind["channels"]),
        "--data (* required)": lambda kind: _fields(kind["request"]),
        "what it is for": itemgetter("summary"),
    },
    "There are no kinds.",
)


def kinds(as_json: JsonOption = False) -> None:
    """List the kinds of notification, with the fields that each takes and requires."""
    _KINDS.show(as_json=as_json)


def _fields(request: Item) -> str:
    """Return the names of a kind's fields, from the JSON Schema of its requests."""
    name = request["properties"]["data"]["$ref"].rpartition("/")[2]
    data = request["$defs"][name]
    required = data.get("required", ())
    return " ".join(f"{name}{'*' * (name in required)}" for name in data["properties"])


def _transports(channel: Item) -> str:
    lines = []
    for transport in channel["transports"]:
        error = f": {transport['last_error']}" if transport["last_error"] else ""
        state = "" if transport["breaker"] == "closed" else f" (failing{error})"
        lines.append(f"{transport['name']}{state}")
    return "\n".join(lines) or "none"


_CHANNELS = Listing(
    "/v1/channels",
    {
        "channel": itemgetter("channel"),
        "takes": itemgetter("address"),
        "transports, in the order they are tried": _transports,
    },
    "There are no channels.",
)


def channels(as_json: JsonOption = False) -> None:
    """List the channels with their transports, and say which of them fail."""
    _CHANNELS.show(as_json=as_json)
