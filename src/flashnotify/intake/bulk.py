"""Bulk requests: many notifications at once, each accepted or rejected by itself."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from flashnotify import errors
from flashnotify.identity.principal import Principal
from flashnotify.intake.idempotency import Accepted
from flashnotify.intake.json_documents import Document
from flashnotify.intake.submission import Submission
from flashnotify.time_slices import TimeSlices

# Notifications that are checked and committed concurrently.
_CONCURRENT = 100
# Mistakes listed of one batch; beyond them, only the first one of each notification.
_SHOWN_ERRORS = 1000


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to the notification at `index`, or the error that rejected it."""

    index: int
    outcome: Accepted | errors.FlashNotifyError


class Bulk:
    """Accepts up to `limit` notifications in one request."""

    def __init__(self, submission: Submission, limit: int) -> None:
        self._submission = submission
        self._limit = limit

    async def accept(
        self, caller: Principal, documents: AsyncIterator[Document], key: str | None
    ) -> list[Result]:
        """Accept each document by itself, and return the results in the same order.

        Each document gets its own idempotency key, made of `key` and its index, so that a bulk
        request that was interrupted can be sent again.

        Raises:
            MalformedDocument: the body as a whole cannot be read.
            DocumentTooLarge: it holds too many notifications.
            Unavailable: nothing can be accepted now.
        """
        self._submission.require_ready()
        whole: list[Document] = []
        async for document in documents:
            whole.append(document)
            if len(whole) > self._limit:
                raise errors.DocumentTooLarge(
                    f"A batch holds at most {self._limit} notifications.",
                    code="too_many_notifications",
                )
        results: list[Result] = []
        slices, shown = TimeSlices(), _SHOWN_ERRORS
        for start in range(0, len(whole), _CONCURRENT):
            part = whole[start : start + _CONCURRENT]
            checks = (
                self._one(caller, each, index, key, slices)
                for index, each in enumerate(part, start)
            )
            for result in await asyncio.gather(*checks):
                shown -= _shorten(result, max(shown, 1))
                results.append(result)
        return results

    async def _one(
        self,
        caller: Principal,
        document: Document,
        index: int,
        key: str | None,
        slices: TimeSlices,
    ) -> Result:
        await slices.step()
        try:
            if isinstance(document, errors.FlashNotifyError):
                raise document
            own = f"{key} {index}" if key is not None else None
            return Result(index, await self._submission.accept_parsed(caller, document, own))
        except errors.FlashNotifyError as error:
            return Result(index, error)


def _shorten(result: Result, shown: int) -> int:
    """Keep at most `shown` mistakes of a result; return how many there are."""
    if not isinstance(result.outcome, errors.InvalidInput):
        return 0
    result.outcome.errors = result.outcome.errors[:shown]
    return len(result.outcome.errors)
