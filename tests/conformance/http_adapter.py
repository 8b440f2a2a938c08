"""What the adapters of transports over HTTP have alike."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from tests.conformance.adapter import RETRY_AFTER, WORDS, Adapter, Case, Lent
from tests.support.http_server import DROP_HALF, GARBAGE, HANG, Answer, HttpServer, Received, Reply


class HttpAdapter(Adapter):
    """A transport over HTTP.

    A subclass gives `taken`, what the provider answers to a message that it takes, `reference`,
    and `answers` for the cases that its provider tells apart in its own way.
    """

    taken: ClassVar[Reply] = Reply(200, "{}")
    answers: ClassVar[Mapping[Case, Answer]] = {}

    def __init__(self, lent: Lent) -> None:
        super().__init__(lent)
        self.server = HttpServer(self.taken)
        self._refused = 0

    @abstractmethod
    def reference(self, request: Received) -> str:
        """What identifies a message to the provider."""

    async def start(self) -> None:
        await self.server.start()

    async def stop(self) -> None:
        await self.server.stop()

    def behave(self, case: Case) -> None:
        answer = self.answers.get(case, _USUAL.get(case))
        if answer is not None:
            self._refused += 1
            self.server.next(answer)

    @property
    def received(self) -> Sequence[str]:
        # `behave` is asked before anything is sent: what comes first is what was not taken.
        return [self.reference(request) for request in self.server.requests[self._refused :]]

    @property
    def asked(self) -> int:
        return len(self.server.requests)

    @property
    def open_connections(self) -> int:
        return self.server.open


_USUAL: Mapping[Case, Answer] = {
    Case.refused_for_good: Reply(400, WORDS),
    Case.refused_for_now: Reply(503, WORDS),
    Case.too_fast: Reply(429, WORDS, {"Retry-After": str(RETRY_AFTER)}),
    Case.bad_address: Reply(404, WORDS),
    Case.bad_config: Reply(403, WORDS),
    Case.hang: HANG,
    Case.cancelled: HANG,
    Case.dropped: DROP_HALF,
    Case.garbage: GARBAGE,
}
