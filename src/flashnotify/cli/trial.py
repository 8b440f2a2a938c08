"""The output of `make run`: the address, a trial key and two commands to paste."""

import json
import sys

import httpx
from starlette.types import ASGIApp

from flashnotify.channels.url import base_url
from flashnotify.cli.local import InProcess
from flashnotify.identity.first_start import FirstAdmin
from flashnotify.private_file import replacing
from flashnotify.settings import ServiceConfig

_EXAMPLE = {
    "kind": "academic",
    "title": "Room changed",
    "body": "The ALG-2 exam takes place in room B204.",
    "to": ["mailto:ada@univ.example"],
    "data": {"course": "ALG-2", "room": "B204"},
}
# What the two commands do, and the path of the second: while email stays here, and otherwise.
_CAPTURED = (
    "Send a notification",
    "See what the recipient would have got",
    "/v1/outbox?limit=1&wait=5",
)
_SENT = (
    'Send a notification. It leaves this machine: put your own address into "to"',
    "See whether it was sent",
    "/v1/deliveries?channel=email&limit=1",
)


def sign_in(address: str, first: FirstAdmin | None) -> str:
    """Return how to sign in at `address`, with the password of a first admin made just now."""
    page = f"Sign in at {address}/sign-in"
    if first is None:
        # As it was run: in a checkout it is not on the PATH.
        return f"{page} (a new password: {sys.argv[0]} users set-password EMAIL)"
    if first.password is None:
        return f"{page} as {first.email} with the password in FLASHNOTIFY_ADMIN_PASSWORD"
    return f"{page} as {first.email} with the password {first.password} (not shown again)"


async def show(
    app: ASGIApp, port: int, first: FirstAdmin | None, *, config: ServiceConfig, host: str
) -> None:
    """Print the address, how to sign in, the trial key and the commands; create a key if needed."""
    path = config.archive_file.with_name("trial.key")
    key = path.read_text().strip() if path.is_file() else ""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://flashnotify") as anyone:
        works = (await anyone.get("/v1/outbox", headers={"X-API-Key": key})).is_success
    if not works:
        async with InProcess(app) as admin:
            request = {"name": "trial", "scopes": ["notify:*", "read:all", "devices"]}
            key = (await admin.call("POST", "/v1/api-keys", json=request))["key"]
        with replacing(path) as draft:
            draft.write_text(key + "\n")
    address = base_url("http", host, port)
    document = json.dumps(_EXAMPLE)
    sending, seeing, path_seen = _CAPTURED if await _is_captured(app) else _SENT
    print(
        f"""
FlashNotify answers at {address}
API documentation: {address}/docs
{sign_in(address, first)}
Trial API key, kept in {path}: {key}

{sending}:
  curl {address}/v1/notifications -H 'Authorization: Bearer {key}' \\
    -H 'Content-Type: application/json' -d '{document}'

{seeing}:
  curl '{address}{path_seen}' -H 'Authorization: Bearer {key}'
""",
        flush=True,
    )


async def _is_captured(app: ASGIApp) -> bool:
    """Return whether email is kept in the outbox."""
    async with InProcess(app) as admin:
        channels = (await admin.call("GET", "/v1/channels"))["items"]
    (email,) = (channel for channel in channels if channel["channel"] == "email")
    return all(transport["name"] == "capture://" for transport in email["transports"])
