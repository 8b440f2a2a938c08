"""`kannel://`, against a server that answers like Kannel's smsbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from flashnotify.channels.sms.kannel import KannelTransport
from tests.conformance.adapter import SECRET, WORDS, Case
from tests.conformance.http_adapter import HttpAdapter
from tests.support.http_server import Answer, Received, Reply


class KannelAdapter(HttpAdapter, of=KannelTransport):
    """SMS over Kannel."""

    accepted: ClassVar[Reply] = Reply(202, "0: Accepted for delivery")
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

    def reference(self, request: Received) -> str:
        # Kannel has no field for our identifier, but returns it with the report.
        return request.query["dlr-url"]
