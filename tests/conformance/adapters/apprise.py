"""Chat over Apprise, by its `json://` service: a POST to an HTTP server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from flashnotify.channels.chat.apprise import AppriseTransport
from flashnotify.channels.chat.channel import ChatToOne
from flashnotify.channels.transport import Content, Transport
from flashnotify.domain import Message
from tests.conformance.adapter import SECRET, Case
from tests.conformance.http_adapter import HttpAdapter
from tests.support.http_server import Received

_ONLY_NO = "Apprise answers no more than that it failed: each refusal is one for now"


class AppriseAdapter(HttpAdapter):
    """Chat over Apprise."""

    name = "apprise"
    transport: ClassVar[type[Transport[Any]]] = AppriseTransport
    impossible: ClassVar[Mapping[Case, str]] = {
        Case.refused_for_good: _ONLY_NO,
        Case.bad_address: _ONLY_NO,
        Case.bad_config: _ONLY_NO,
        Case.too_fast: "Apprise keeps Retry-After to itself",
        Case.same_reference: "Apprise has no place for an identifier of the message",
    }
    bad_urls: ClassVar[Sequence[str]] = (
        f"nosuch://{SECRET}",
        f"json://user:{SECRET}@",
        f"json://user:{SECRET}@ /",
        f"tgram://{SECRET}/",
        f"slack://{SECRET}",
    )

    @property
    def url(self) -> str:
        # A thread cannot be stopped: the read time-out is what ends a call that nobody waits for.
        return f"json://user:{SECRET}@{self.server.host}/{SECRET}/hook?+X-Token={SECRET}&rto=1"

    @property
    def recipient(self) -> str:
        return "it-team"

    def content(self, message: Message) -> Content:
        return ChatToOne(message)

    def reference(self, request: Received) -> str:
        return str(json.loads(request.body)["message"])
