"""`kannel://`, against a server that answers as Kannel's smsbox does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from flashnotify.channels.sms.channel import SMSToOne
from flashnotify.channels.sms.kannel import KannelTransport
from flashnotify.channels.sms.segments import fit
from flashnotify.channels.transport import Content, Transport
from flashnotify.domain import Message
from tests.conformance.adapter import SECRET, WORDS, Case
from tests.conformance.http_adapter import HttpAdapter
from tests.support.http_server import Answer, Received, Reply


class KannelAdapter(HttpAdapter):
    """SMS over Kannel."""

    name = "kannel"
    transport: ClassVar[type[Transport[Any]]] = KannelTransport
    taken: ClassVar[Reply] = Reply(202, "0: Accepted for delivery")
    answers: ClassVar[Mapping[Case, Answer]] = {
        Case.refused_for_good: Reply(400, f"Charset or body misformed, rejected ({WORDS})"),
        Case.refused_for_now: Reply(503, f"Temporal failure, try again later. ({WORDS})"),
        Case.bad_address: Reply(403, f"Not routable. Do not try again. ({WORDS})"),
        Case.bad_config: Reply(403, "Authorization failed for sendsms"),
    }
    bad_urls: ClassVar[Sequence[str]] = (
        "kannel:",
        f"kannel://:{SECRET}@127.0.0.1:13013",
        "kannel://127.0.0.1:13013",
        "kannel://user@127.0.0.1:13013",
        f"kannel://user:{SECRET}@",
        f"kannel://user:{SECRET}@127.0.0.1:port",
        f"kannel://user:{SECRET}@127.0.0.1?dlr=no",
    )

    @property
    def url(self) -> str:
        return f"kannel://user:{SECRET}@{self.server.host}"

    def content(self, message: Message) -> Content:
        return SMSToOne(fit(message.rendering.parts["sms"], 2), message, "Campus")

    def reference(self, request: Received) -> str:
        # Kannel has no field for our identifier, but gives it back with the report.
        return request.query["dlr-url"]
