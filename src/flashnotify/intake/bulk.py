"""Many notifications in one request: a bad one rejects itself only."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from flashnotify.errors import (
    DocumentTooLarge,
    FlashNotifyError,
    IdempotencyMismatch,
    InvalidInput,
    MalformedDocument,
    NotPermitted,
    Unavailable,
    WriteRefused,
)
from flashnotify.identity.principal import Principal
from flashnotify.intake.idempotency import Accepted
from flashnotify.intake.submission import Submission
from flashnotify.intake.validation import parse

# Notifications that are checked and committed side by side.
_SIDE_BY_SIDE = 100
_SPACE = re.compile(r"[ \t\r\n]*")
_REJECTIONS = (
    InvalidInput,
    MalformedDocument,
    NotPermitted,
    IdempotencyMismatch,
    Unavailable,
    WriteRefused,
)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)

Document = Mapping[str, Any] | MalformedDocument


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the notification at `index`: it was accepted, or why it was not."""

    index: int
    outcome: Accepted | FlashNotifyError


class Bulk:
    """Accepts up to `most` notifications at once."""

    def __init__(self, submission: Submission, most: int) -> None:
        self._submission = submission
        self._most = most

    async def accept(
        self, caller: Principal, documents: AsyncIterator[Document], key: str | None
    ) -> list[Result]:
        """Accept each document by itself; the results in their order.

        With an Idempotency-Key each document has its own, made of it and the index, so that a
        batch which broke off half way can be sent again.

        Raises:
            MalformedDocument: the batch as a whole cannot be read.
            DocumentTooLarge: it holds too many.
            Unavailable: the service cannot keep its promise now; nothing was accepted.
        """
        self._submission.require_ready()
        whole: list[Document] = []
        async for document in documents:
            whole.append(document)
            if len(whole) > self._most:
                raise DocumentTooLarge(
                    f"A batch holds at most {self._most} notifications.",
                    code="too_many_notifications",
                )
        results: list[Result] = []
        for start in range(0, len(whole), _SIDE_BY_SIDE):
            part = whole[start : start + _SIDE_BY_SIDE]
            results += await asyncio.gather(
                *(
                    self._one(caller, document, index, key)
                    for index, document in enumerate(part, start)
                )
            )
        return results

    async def _one(
        self, caller: Principal, document: Document, index: int, key: str | None
    ) -> Result:
        try:
            if isinstance(document, MalformedDocument):
                raise document
            own = f"{key} {index}" if key is not None else None
            return Result(index, await self._submission.accept_parsed(caller, document, own))
        except _REJECTIONS as error:
            return Result(index, error)


async def read_lines(body: bytes, longest: int) -> AsyncIterator[Document]:
    """The documents of NDJSON: one a line of at most `longest` bytes, empty lines passed over."""
    at = 0
    for number in itertools.count(1):
        if at >= len(body):
            return
        end = body.find(b"\n", at)
        line = body[at : end if end >= 0 else len(body)].strip()
        at = end + 1 if end >= 0 else len(body)
        if len(line) > longest:
            yield _too_long(longest)
        elif line:
            try:
                yield parse(line)
            except MalformedDocument as error:
                yield error
        if number % 100 == 0:
            await asyncio.sleep(0)


async def read_array(body: bytes, longest: int) -> AsyncIterator[Document]:
    """The documents of a JSON array, read one at a time so that others get the event loop.

    Each may have `longest` characters.

    Raises:
        MalformedDocument: it is no JSON array.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise MalformedDocument("The body is not UTF-8.") from None
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        raise MalformedDocument("The body must be a JSON array, or NDJSON with its own media type.")
    at = _skip(text, at + 1)
    closed = text[at : at + 1] == "]"
    for number in itertools.count(1):
        if closed:
            break
        found, end = _element(text, at)
        yield found if end - at <= longest else _too_long(longest)
        at = end
        closed = text[at : at + 1] == "]"
        if not closed and text[at : at + 1] != ",":
            raise MalformedDocument("The body is not valid JSON: the array is cut off.")
        at = at if closed else _skip(text, at + 1)
        if number % 100 == 0:
            await asyncio.sleep(0)
    if _skip(text, at + 1) != len(text):
        raise MalformedDocument("The body is not valid JSON: something follows the array.")


def _too_long(longest: int) -> MalformedDocument:
    return MalformedDocument(
        f"The notification is longer than {longest} bytes.", code="document_too_large"
    )


def _element(text: str, at: int) -> tuple[Document, int]:
    """The element of an array that begins at `at`, and where what follows it begins."""
    try:
        found, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError) as error:
        raise MalformedDocument(f"The body is not valid JSON: {error}.") from None
    if not isinstance(found, dict):
        found = MalformedDocument('It must be a JSON object, such as {"kind": …}.')
    return found, _skip(text, end)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found is not None else at
