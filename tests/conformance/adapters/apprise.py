"""Chat over Apprise's `json://` service: a POST to an HTTP server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from flashnotify.channels.chat.apprise import AppriseTransport
from flashnotify.channels.chat.channel import ChatToOne
from flashnotify.channels.transport import Content
from flashnotify.domain import Message
from tests.conformance.adapter import SECRET, Case
from tests.conformance.http_adapter import HttpAdapter
from tests.support.http_server import Received

_ONLY_NO = "Apprise reports only that it failed, so each refusal may be retried"


class AppriseAdapter(HttpAdapter, of=AppriseTransport):
    """Chat over Apprise."""

    recipient: ClassVar[str] = "it-team"
    impossible: ClassVar[Mapping[Case, str]] = {
        Case.refused_for_good: _ONLY_NO,
        Case.bad_address: _ONLY_NO,
        Case.bad_config: _ONLY_NO,
        Case.too_fast: "Apprise does not pass on Retry-After",
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
        # A thread cannot be stopped: its read timeout ends an abandoned call.
        return f"json://user:{SECRET}@{self.server.host}/{SECRET}/hook?+X-Token={SECRET}&rto=1"

    def content(self, message: Message) -> Content:
        return ChatToOne(message)

    def reference(self, request: Received) -> str:
        return str(json.loads(request.body)["message"])
