"""`flashnotify demo`: show what FlashNotify does, on a temporary archive."""

import asyncio
import os
import socket
import tempfile
from collections.abc import Mapping
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
import uvloop
from rich.console import Console
from starlette.types import ASGIApp

from flashnotify.app import Service
from flashnotify.channels.chat.channel import ChatMixin
from flashnotify.channels.in_app.inbox import InAppTransport
from flashnotify.channels.transport import CaptureTransport
from flashnotify.cli import serve, trial
from flashnotify.cli.client import CommandFailed
from flashnotify.cli.demo.examples import CHAT
from flashnotify.cli.demo.showing import send_and_show
from flashnotify.cli.local import InProcess
from flashnotify.cli.output import program
from flashnotify.identity.first_start import FirstAdmin
from flashnotify.meta.registry import CHANNELS
from flashnotify.settings import ServiceConfig
from flashnotify.telemetry import logs

_HOST = "127.0.0.1"
_PORT = 8000
_HINTS = """\
Follow events, in another terminal:
  FLASHNOTIFY_DATABASE_URL={url} {program} tail

Ctrl-C ends the demo and removes {folder}.
"""


def demo(
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help=f"Port to listen on (0: any). Default: {_PORT}, or any if that is taken.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Exit after showing the messages.")] = False,
) -> None:
    """Send examples of each kind, show what their recipients would get, and serve until Ctrl-C.

    The demo uses a temporary archive. Whatever the settings say, nothing leaves this machine.
    During quiet hours (in FLASHNOTIFY_TIMEZONE) some messages are shown as waiting.
    """
    os.environ.update(_capture_settings())
    port = free_port() if port is None else port
    with tempfile.TemporaryDirectory(prefix="flashnotify-demo-") as folder:
        url = f"sqlite:///{folder}/flashnotify.db"
        config = ServiceConfig(database_url=url, secret_key=None)
        logs.configure(config.log_format)
        service = Service(config)
        _require_capture(service)

        async def welcome(app: ASGIApp, port: int, admin: FirstAdmin | None) -> None:
            async with InProcess(app) as client:
                await send_and_show(client, Console(), ZoneInfo(config.timezone))
            if not once:
                await trial.show(app, port, admin, config=config, host=_HOST)
                print(_HINTS.format(url=url, program=program(), folder=folder), flush=True)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(serve.run(service, [_HOST], port, welcome, once=once))
    raise typer.Exit(code)


def free_port() -> int:
    """Return the usual port, or 0 (any) if another program listens there."""
    try:
        with socket.create_server((_HOST, _PORT)):
            return _PORT
    except OSError:
        return 0


def _capture_settings() -> Mapping[str, str]:
    """Return settings that make every channel capture its messages. They override `.env`."""
    urls = {}
    for channel in CHANNELS.values():
        destination = f"{CHAT.partition(':')[2]}=" if channel is ChatMixin else ""
        if (setting := channel.__channel__.url_setting) is not None:
            urls[setting.env] = f"{destination}capture://"
    return urls


def _require_capture(service: Service) -> None:
    """Check that nothing can leave the machine.

    Raise `CommandFailed` if a transport is not `capture://`.
    """
    for channel in service.channels.values():
        for open_transport in channel.transports:
            if not isinstance(open_transport.transport, CaptureTransport | InAppTransport):
                raise CommandFailed(f"The demo must not send over {open_transport.name}.")
