"""The channels, each with the transports that it may have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flashnotify.channels.chat.apprise import AppriseTransport
from flashnotify.channels.email.smtp.transport import SmtpTransport
from flashnotify.channels.in_app.inbox import InAppTransport
from flashnotify.channels.push.ntfy import NtfyTransport
from flashnotify.channels.push.webpush import WebPushTransport
from flashnotify.channels.sms.http_json import HttpJsonTransport
from flashnotify.channels.sms.kannel import KannelTransport
from flashnotify.channels.transport import CaptureTransport, Resources, Transport
from flashnotify.delivery.transports import OpenChannel, open_channel
from flashnotify.meta.registry import CHANNELS

if TYPE_CHECKING:
    from flashnotify.app.service import Service

# A transport is registered here, for each channel that it serves.
TRANSPORTS: Mapping[str, Sequence[type[Transport[Any]]]] = {
    "email": (SmtpTransport, CaptureTransport),
    "sms": (KannelTransport, HttpJsonTransport, CaptureTransport),
    "push": (WebPushTransport, NtfyTransport, CaptureTransport),
    "chat": (AppriseTransport, CaptureTransport),
    "in_app": (InAppTransport,),
}


def open_channels(service: Service) -> dict[str, OpenChannel]:
    """Return the declared channels, each with the transports of its settings."""
    config, clock, threads, names = service.config, service.clock, service.threads, service.names
    resources = Resources(
        clock, threads, names, config.beside, config.public_url, service.secret.token
    )
    specs = [channel.__channel__ for channel in CHANNELS.values()]
    return {
        spec.name: open_channel(spec, TRANSPORTS.get(spec.name, ()), resources) for spec in specs
    }
