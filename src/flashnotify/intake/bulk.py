"""Bulk requests: many notifications at once, each accepted or rejected by itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import structlog

from flashnotify import errors
from flashnotify.identity.principal import Principal
from flashnotify.intake.idempotency import Accepted
from flashnotify.intake.json_documents import Document, parse
from flashnotify.intake.submission import Prepared, Submission
from flashnotify.meta.faults import MAX_ERRORS

log = structlog.get_logger(__name__)

# Notifications that are checked and committed concurrently, of all requests together.
_CONCURRENT = 100
# Their bytes: parsed, they are up to 100,000 objects, which the garbage collector goes through.
_CONCURRENT_BYTES = 256 * 1024
# Mistakes that are listed of one batch. Notifications that are checked concurrently share what is
# left of them; when nothing is, checking one ends at its first mistake.
_MAX_ERRORS = 1000


T = TypeVar("T")
Outcome: TypeAlias = Accepted | errors.FlashNotifyError


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to the notification at `index`, or the error that rejected it."""

    index: int
    outcome: Outcome


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
            async with self._turn:
                if key is None:
                    outcomes = await self._together(caller, part, share)
                else:
                    keys = (f"{key} {start + place}" for place in range(len(part)))
                    outcomes = await self._by_key(caller, part, keys, share)
            for index, outcome in enumerate(outcomes, start):
                if isinstance(outcome, errors.InvalidInput):
                    # To encode it takes a while.
                    await self.slices.step()
                    left -= len(outcome.errors)
                yield Result(index, outcome)
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

    async def _together(
        self, caller: Principal, part: Sequence[Document], max_errors: int
    ) -> Sequence[Outcome]:
        """Check one document after the other, and store all that are valid at once."""
        checked = [await _caught(self._prepared(caller, each, max_errors)) for each in part]
        valid = [each for each in checked if isinstance(each, Prepared)]
        writes = await asyncio.gather(*map(self._submission.store, valid), return_exceptions=True)
        failures = iter(writes)
        return [
            each
            if isinstance(each, errors.FlashNotifyError)
            else self._stored(each, next(failures))
            for each in checked
        ]

    async def _by_key(
        self, caller: Principal, part: Sequence[Document], keys: Iterable[str], max_errors: int
    ) -> Sequence[Outcome]:
        """Accept documents concurrently, as each waits for the answer that its key may have."""

        async def accepted(document: Document, key: str) -> Accepted:
            parsed = await self._parsed(document)
            return await self._submission.accept_parsed(caller, parsed, key, max_errors)

        return await asyncio.gather(
            *(_caught(accepted(each, key)) for each, key in zip(part, keys, strict=True))
        )

    async def _prepared(self, caller: Principal, document: Document, max_errors: int) -> Prepared:
        return await self._submission.prepare(caller, await self._parsed(document), max_errors)

    async def _parsed(self, document: Document) -> Mapping[str, Any]:
        await self.slices.step()
        if isinstance(document, errors.FlashNotifyError):
            raise document
        return await parse(document, self.slices)

    def _stored(self, prepared: Prepared, failure: BaseException | None) -> Outcome:
        try:
            if failure is not None:
                raise failure
            return self._submission.stored(prepared)
        except errors.FlashNotifyError as error:
            return error
        except Exception as error:  # noqa: BLE001  # others of its part may be on disk
            return _internal(error)


async def _caught(work: Awaitable[T]) -> T | errors.FlashNotifyError:
    try:
        return await work
    except errors.FlashNotifyError as error:
        # They keep the parsed document alive, for the garbage collector to go through.
        error.__traceback__ = error.__context__ = None
        return error
    except Exception as error:  # noqa: BLE001  # others of its part may be on disk
        return _internal(error)


def _internal(error: Exception) -> errors.FlashNotifyError:
    """Log what nobody expected, and return the error that rejects its notification."""
    log.error("batch.item_failed", error=type(error).__name__, stack=errors.stack_of(error))
    return errors.FlashNotifyError("An internal error occurred. The log has it.")


def _part(whole: Sequence[Document], start: int) -> Sequence[Document]:
    """Return the documents from `start` on that are checked concurrently: at least one."""
    size = 0
    for end in range(start, min(start + _CONCURRENT, len(whole))):
        document = whole[end]
        size += len(document) if isinstance(document, bytes) else 0
        if size > _CONCURRENT_BYTES:
            return whole[start : max(end, start + 1)]
    return whole[start : start + _CONCURRENT]
