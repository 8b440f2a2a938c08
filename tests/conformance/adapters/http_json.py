"""`http+json://` and `https+json://`, against a gateway that takes JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from flashnotify.channels.sms.http_json import HttpJsonTransport
from tests.conformance.adapter import SECRET, WORDS, Case
from tests.conformance.http_adapter import HttpAdapter
from tests.support.http_server import Answer, Received, Reply


class HttpJsonAdapter(HttpAdapter, of=HttpJsonTransport):
    """SMS over a gateway that takes JSON."""

    accepted: ClassVar[Reply] = Reply(201, '{"id": "gw-1"}')
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

    def reference(self, request: Received) -> str:
        return str(json.loads(request.body)["reference"])
