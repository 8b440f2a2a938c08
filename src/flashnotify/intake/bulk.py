"""Bulk requests: many notifications at once, each accepted or rejected by itself."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from flashnotify import errors
from flashnotify.identity.principal import Principal
from flashnotify.intake.idempotency import Accepted
from flashnotify.intake.json_documents import Document, parse
from flashnotify.intake.submission import Submission
from flashnotify.meta.faults import MAX_ERRORS

# Notifications that are checked and committed concurrently, of all requests together.
_CONCURRENT = 100
# Their bytes: parsed, they are up to 100,000 objects, which the garbage collector goes through.
_CONCURRENT_BYTES = 256 * 1024
# Mistakes that are listed of one batch. Notifications that are checked concurrently share what is
# left of them; when nothing is, checking one ends at its first mistake.
_MAX_ERRORS = 1000


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to the notification at `index`, or the error that rejected it."""

    index: int
    outcome: Accepted | errors.FlashNotifyError


class Bulk:
    """Accepts up to `limit` notifications in one request."""

    def __init__(self, submission: Submission, limit: int) -> None:
        self.slices = submission.slices
        self._submission = submission
        self._limit = limit
        # One part of all requests at a time: more only fill the archive's backlog, which refuses
        # everything else.
        self._turn = asyncio.Lock()

    async def accept(
        self, caller: Principal, documents: AsyncIterator[Document], key: str | None
    ) -> AsyncIterator[Result]:
        """Accept each document by itself, and yield the results in the same order.

        Each document gets its own idempotency key, made of `key` and its index, so that a bulk
        request that was interrupted can be sent again.

        Raises:
            MalformedDocument: the body as a whole cannot be read.
            DocumentTooLarge: it holds too many notifications.
            Unavailable: nothing can be accepted now.
        """
        self._submission.require_ready()
        whole = await self._all(documents)
        start, left = 0, _MAX_ERRORS
        while start < len(whole):
            part = _part(whole, start)
            share = min(max(left // len(part), 1), MAX_ERRORS)
            checks = (
                self._one(caller, document, index, key, share)
                for index, document in enumerate(part, start)
            )
            async with self._turn:
                results = await asyncio.gather(*checks)
            for result in results:
                await self.slices.step()
                if isinstance(result.outcome, errors.InvalidInput):
                    left -= len(result.outcome.errors)
                yield result
            start += len(part)

    async def _all(self, documents: AsyncIterator[Document]) -> list[Document]:
        whole: list[Document] = []
        async for document in documents:
            whole.append(document)
            if len(whole) > self._limit:
                raise errors.DocumentTooLarge(
                    f"A batch holds at most {self._limit} notifications.",
                    code="too_many_notifications",
                )
        return whole

    async def _one(
        self, caller: Principal, document: Document, index: int, key: str | None, max_errors: int
    ) -> Result:
        await self.slices.step()
        try:
            if isinstance(document, errors.FlashNotifyError):
                raise document
            parsed = await parse(document, self.slices)
            own = f"{key} {index}" if key is not None else None
            accepted = await self._submission.accept_parsed(caller, parsed, own, max_errors)
            return Result(index, accepted)
        except errors.FlashNotifyError as error:
            # They keep the parsed document alive, for the garbage collector to go through.
            error.__traceback__ = error.__context__ = None
            return Result(index, error)


def _part(whole: Sequence[Document], start: int) -> Sequence[Document]:
    """Return the documents from `start` on that are checked concurrently: at least one."""
    size = 0
    for end in range(start, min(start + _CONCURRENT, len(whole))):
        document = whole[end]
        size += len(document) if isinstance(document, bytes) else 0
        if size > _CONCURRENT_BYTES:
            return whole[start : max(end, start + 1)]
    return whole[start : start + _CONCURRENT]
