"""`webpush:`, against a push service that follows RFC 8030, 8291 and 8292."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from flashnotify.channels.push.channel import PushToOne
from flashnotify.channels.push.webpush import WebPushTransport
from flashnotify.channels.transport import Content
from flashnotify.domain import Device, DeviceType, Message
from tests.conformance.adapter import SECRET, WORDS, Case, Lent
from tests.conformance.http_adapter import HttpAdapter
from tests.support.browser import Browser, vapid_claims
from tests.support.http_server import Answer, Received, Reply


class WebPushAdapter(HttpAdapter, of=WebPushTransport):
    """Web Push. The endpoint is secret: anyone who knows it can push to the browser."""

    accepted: ClassVar[Reply] = Reply(201, "", {"Location": "https://push.example/m/1"})
    answers: ClassVar[Mapping[Case, Answer]] = {Case.bad_address: Reply(410, WORDS)}
    bad_urls: ClassVar[Sequence[str]] = (
        "webpush://push.example",
        f"webpush:{SECRET}",
        f"webpush:?key={SECRET}",
        f"webpush://user:{SECRET}@push.example:port",
    )

    def __init__(self, lent: Lent) -> None:
        super().__init__(lent)
        self.browser = Browser()
        self.device = self.ids()

    @property
    def url(self) -> str:
        return "webpush:"

    @property
    def settings(self) -> Mapping[str, object]:
        return {"contact": "mailto:it@univ.example", "allowed_networks": "127.0.0.0/8"}

    def content(self, message: Message) -> Content:
        endpoint = f"{self.server.url}/push/{SECRET}"
        keys = self.browser.p256dh, self.browser.auth
        return PushToOne(message, Device(self.device, DeviceType.webpush, endpoint, *keys))

    def reference(self, request: Received) -> str:
        claims, _ = vapid_claims(request.headers["Authorization"])
        assert claims["aud"] == self.server.url
        assert self.browser.read(request.body)["title"] == "Room changed"
        return request.headers["Topic"]
