"""`http+json://` and `https+json://`, against a gateway that takes JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from flashnotify.channels.sms.channel import SMSToOne
from flashnotify.channels.sms.http_json import HttpJsonTransport
from flashnotify.channels.sms.segments import fit
from flashnotify.channels.transport import Content, Transport
from flashnotify.domain import Message
from tests.conformance.adapter import SECRET, WORDS, Case
from tests.conformance.http_adapter import HttpAdapter
from tests.support.http_server import Answer, Received, Reply


class HttpJsonAdapter(HttpAdapter):
    """SMS over a gateway that takes JSON."""

    name = "http+json"
    transport: ClassVar[type[Transport[Any]]] = HttpJsonTransport
    taken: ClassVar[Reply] = Reply(201, '{"id": "gw-1"}')
    answers: ClassVar[Mapping[Case, Answer]] = {
        Case.bad_address: Reply(422, f'{{"error": "{WORDS}"}}'),
        Case.bad_config: Reply(401, WORDS),
    }
    bad_urls: ClassVar[Sequence[str]] = (
        "http+json:",
        f"https+json://user:{SECRET}@",
        f"https+json://user:{SECRET}@sms.univ.example:port",
    )

    @property
    def url(self) -> str:
        return f"http+json://user:{SECRET}@{self.server.host}/messages?key={SECRET}"

    @property
    def settings(self) -> Mapping[str, object]:
        return {"authorization": f"Bearer {SECRET}"}

    def content(self, message: Message) -> Content:
        return SMSToOne(fit(message.rendering.parts["sms"], 2), message, "Campus")

    def reference(self, request: Received) -> str:
        return str(json.loads(request.body)["reference"])
