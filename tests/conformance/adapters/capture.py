"""`capture://`, which has no other side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from flashnotify.channels.capture import CaptureTransport
from flashnotify.channels.sms.channel import SMSToOne
from flashnotify.channels.sms.segments import fit
from flashnotify.channels.transport import Content, Transport
from flashnotify.domain import Message, Sent
from tests.conformance.adapter import Adapter, Case, Lent

_NOBODY = "nothing leaves the process: there is nobody who could"
_NOTHING = "the URL names nothing that could be wrong, and has no credentials"


class CaptureAdapter(Adapter):
    """Messages kept in the archive."""

    name = "capture"
    transport: ClassVar[type[Transport[Any]]] = CaptureTransport
    impossible: ClassVar[Mapping[Case, str]] = {
        **{case: _NOBODY for case in Case if case is not Case.success},
        Case.bad_url: _NOTHING,
        Case.bad_config: _NOTHING,
        Case.same_reference: "a message is kept with the outcome of its delivery, once",
    }

    def __init__(self, lent: Lent) -> None:
        super().__init__(lent)
        self._kept: list[str] = []

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    @property
    def url(self) -> str:
        return "capture://"

    def behave(self, case: Case) -> None: ...

    def content(self, message: Message) -> Content:
        return SMSToOne(fit(message.rendering.parts["sms"], 2), message, "Campus")

    @property
    def received(self) -> Sequence[str]:
        return self._kept

    def note(self, sent: Sent) -> None:
        assert sent.captured is not None
        self._kept.append(sent.captured.text)

    @property
    def asked(self) -> int:
        return 0

    @property
    def open_connections(self) -> int:
        return 0
