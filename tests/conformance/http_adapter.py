"""The base of the adapters of transports over HTTP."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from tests.conformance.adapter import RETRY_AFTER, WORDS, Adapter, Case, Lent
from tests.support.http_server import DROP, GARBAGE, HANG, Answer, HttpServer, Received, Reply


class HttpAdapter(Adapter):
    """A transport over HTTP.

    A subclass has `accepted`, the provider's answer to a message that it accepts, `reference`, and
    `answers` for the cases in which this provider answers differently.
    """

    accepted: ClassVar[Reply] = Reply(200, "{}")
    answers: ClassVar[Mapping[Case, Answer]] = {}

    def __init__(self, lent: Lent) -> None:
        self.server = HttpServer(self.accepted)
        super().__init__(lent, self.server)
        self._refused = 0

    @abstractmethod
    def reference(self, request: Received) -> str:
        """Return the identifier of a message for the provider."""

    def behave(self, case: Case) -> None:
        answer = self.answers.get(case, _USUAL.get(case))
        if answer is not None:
            self._refused += 1
            self.server.next(answer)

    @property
    def received(self) -> Sequence[str]:
        # Tests call `behave` before they send anything, so the refused requests come first.
        return [self.reference(request) for request in self.server.requests[self._refused :]]

    @property
    def asked(self) -> int:
        return len(self.server.requests)


_USUAL: Mapping[Case, Answer] = {
    Case.refused_for_good: Reply(400, WORDS),
    Case.refused_for_now: Reply(503, WORDS),
    Case.too_fast: Reply(429, WORDS, {"Retry-After": str(RETRY_AFTER)}),
    Case.bad_address: Reply(404, WORDS),
    Case.bad_config: Reply(403, WORDS),
    Case.hang: HANG,
    Case.cancelled: HANG,
    Case.dropped: DROP,
    Case.garbage: GARBAGE,
}
