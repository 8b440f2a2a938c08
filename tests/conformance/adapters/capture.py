"""`capture://`, which has no server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from flashnotify.channels.transport import CaptureTransport
from flashnotify.domain import Sent
from tests.conformance.adapter import Adapter, Case, Lent

_NO_SERVER = "nothing leaves the process, so no server can behave like that"
_NO_PARTS = "the URL has no part that could be wrong, and no credentials"


class NoServer:
    """Stands in for a server."""

    open = 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class CaptureAdapter(Adapter, of=CaptureTransport):
    """Messages kept in the archive."""

    impossible: ClassVar[Mapping[Case, str]] = {
        **{case: _NO_SERVER for case in Case if case is not Case.success},
        Case.bad_url: _NO_PARTS,
        Case.bad_config: _NO_PARTS,
        Case.same_reference: "a message is kept once, with the result of its delivery",
    }
    url = "capture://"
    asked = 0

    def __init__(self, lent: Lent) -> None:
        super().__init__(lent, NoServer())
        self._kept: list[str] = []

    def behave(self, case: Case) -> None: ...

    @property
    def received(self) -> Sequence[str]:
        return self._kept

    def note(self, sent: Sent) -> None:
        assert sent.captured is not None
        self._kept.append(sent.captured.text)
