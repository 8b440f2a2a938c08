"""`ntfy://`, against a server that answers as ntfy's documentation says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from flashnotify.channels.push.channel import PushToOne
from flashnotify.channels.push.ntfy import NtfyTransport
from flashnotify.channels.transport import Content
from flashnotify.domain import Device, DeviceType, Message
from tests.conformance.adapter import SECRET, WORDS, Case, Lent
from tests.conformance.http_adapter import HttpAdapter
from tests.support.http_server import Answer, Received, Reply


class NtfyAdapter(HttpAdapter, of=NtfyTransport):
    """Push over ntfy."""

    accepted: ClassVar[Reply] = Reply(200, '{"id": "hwQ2YpKdmg", "event": "message"}')
    answers: ClassVar[Mapping[Case, Answer]] = {
        Case.bad_address: Reply(400, f'{{"code": 40009, "http": 400, "error": "{WORDS}"}}'),
        Case.bad_config: Reply(401, f'{{"code": 40101, "http": 401, "error": "{WORDS}"}}'),
    }
    bad_urls: ClassVar[Sequence[str]] = (
        "ntfy:",
        f"ntfys://{SECRET}@",
        f"ntfy://{SECRET}@ntfy.univ.example/topic",
        f"ntfy://ntfy.univ.example?auth={SECRET}",
        f"ntfys://user:{SECRET}@ntfy.univ.example:port",
        f"ntfys://{SECRET}%0D%0AX-Injected%3A%201@ntfy.univ.example",
        f"ntfys://{SECRET}%C3%A9@ntfy.univ.example",
    )

    def __init__(self, lent: Lent) -> None:
        super().__init__(lent)
        self.device = Device(self.ids(), DeviceType.ntfy, f"topic-{SECRET}")

    @property
    def url(self) -> str:
        return f"ntfy://{SECRET}@{self.server.host}"

    def content(self, message: Message) -> Content:
        return PushToOne(message, self.device)

    def reference(self, request: Received) -> str:
        assert request.headers["Authorization"] == f"Bearer {SECRET}"
        document = json.loads(request.body)
        assert document["topic"] == self.device.target
        return str(document["sequence_id"])
