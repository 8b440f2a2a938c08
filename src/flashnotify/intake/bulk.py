"""Bulk requests: many notifications at once, each accepted or rejected by itself."""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from flashnotify import errors
from flashnotify.identity.principal import Principal
from flashnotify.intake.idempotency import Accepted
from flashnotify.intake.submission import Submission
from flashnotify.intake.validation import parse

# Notifications that are checked and committed concurrently.
_CONCURRENT = 100
_SPACE = re.compile(r"[ \t\r\n]*")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)

Document = Mapping[str, Any] | errors.MalformedDocument


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
        for start in range(0, len(whole), _CONCURRENT):
            part = whole[start : start + _CONCURRENT]
            checks = (self._one(caller, each, index, key) for index, each in enumerate(part, start))
            results += await asyncio.gather(*checks)
        return results

    async def _one(
        self, caller: Principal, document: Document, index: int, key: str | None
    ) -> Result:
        try:
            if isinstance(document, errors.MalformedDocument):
                raise document
            own = f"{key} {index}" if key is not None else None
            return Result(index, await self._submission.accept_parsed(caller, document, own))
        except errors.FlashNotifyError as error:
            return Result(index, error)


async def read_lines(body: bytes, max_size: int) -> AsyncIterator[Document]:
    """Yield the documents of NDJSON, one from each non-empty line of at most `max_size` bytes."""
    for number, line in enumerate(map(bytes.strip, BytesIO(body)), 1):
        if len(line) > max_size:
            yield _too_long(max_size)
        elif line:
            try:
                yield parse(line)
            except errors.MalformedDocument as error:
                yield error
        if number % 100 == 0:
            await asyncio.sleep(0)


async def read_array(body: bytes, max_size: int) -> AsyncIterator[Document]:
    """Yield the documents of a JSON array, each of at most `max_size` characters.

    They are decoded one at a time, so that other tasks get the event loop. Raise
    `MalformedDocument` if the body is not a JSON array.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise errors.MalformedDocument("The body is not UTF-8.") from None
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        raise errors.MalformedDocument(
            "The body must be a JSON array. For one notification per line (NDJSON), send "
            "Content-Type: application/x-ndjson."
        )
    at = _skip(text, at + 1)
    closed = text[at : at + 1] == "]"
    for number in itertools.count(1):
        if closed:
            break
        found, end = _element(text, at)
        yield found if end - at <= max_size else _too_long(max_size)
        at = end
        closed = text[at : at + 1] == "]"
        if not closed and text[at : at + 1] != ",":
            raise errors.MalformedDocument("The body is not valid JSON: the array is cut off.")
        at = at if closed else _skip(text, at + 1)
        if number % 100 == 0:
            await asyncio.sleep(0)
    if _skip(text, at + 1) != len(text):
        raise errors.MalformedDocument("The body is not valid JSON: something follows the array.")


def _too_long(max_size: int) -> errors.MalformedDocument:
    return errors.MalformedDocument(
        f"The notification is longer than {max_size} bytes.", code="document_too_large"
    )


def _element(text: str, at: int) -> tuple[Document, int]:
    """Return the element of an array that begins at `at`, and the position after it."""
    try:
        found, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        reason = f"there is a mistake at line {error.lineno}, column {error.colno}"
        raise errors.MalformedDocument(f"The body is not valid JSON: {reason}.") from None
    except (ValueError, RecursionError) as error:
        raise errors.MalformedDocument(f"The body is not valid JSON: {error}.") from None
    if not isinstance(found, dict):
        found = errors.MalformedDocument('It must be a JSON object, such as {"kind": …}.')
    return found, _skip(text, end)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found is not None else at
