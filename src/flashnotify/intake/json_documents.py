"""JSON documents from callers. Their cost is measured before they are parsed: see `json_cost`."""

import json
import re
from codecs import utf_8_decode
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeAlias

from pydantic_core import from_json

from flashnotify.errors import FieldError, FlashNotifyError, InvalidInput, MalformedDocument
from flashnotify.intake.json_cost import MAX_COST, may_cost_too_much, measure
from flashnotify.time_slices import TimeSlices

# Some editors and scripts begin UTF-8 with it (RFC 8259, section 8.1: a parser may ignore it).
_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(rb"[ \t\r\n]*+")
# Blank bytes that are skipped in one step.
_BLANKS = 65_536
# Bytes that cost no more than `MAX_COST` to parse, whatever they are.
_SHORT = MAX_COST // 2

# What to do with many documents, in a sentence that their errors end with.
ONE_PER_LINE = (
    "Send one notification per line (NDJSON) to /v1/notifications/batch, with `Content-Type: "
    "application/x-ndjson`; with curl, use --data-binary, because -d joins the lines."
)

# Or the error of one document among many.
Document: TypeAlias = Mapping[str, Any] | FlashNotifyError


class _Duplicate(Exception):  # caught here
    """An object has this key twice."""


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        keys = [key for key, _ in members]
        raise _Duplicate(next(key for key in found if keys.count(key) > 1))
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse)


async def parse(document: bytes) -> Mapping[str, Any]:
    """Return the JSON object in a body.

    Raises:
        MalformedDocument: the body is not a JSON object, or costs too much to parse.
        InvalidInput: an object in it has a key twice.
    """
    document = document.removeprefix(_BOM)
    if not document.strip():
        raise MalformedDocument("The body is empty. Send a JSON object, {…}.")
    if may_cost_too_much(document):
        _, cost = await measure(document, 0, TimeSlices())
        if cost > MAX_COST:
            raise _too_complex()
    found = _decode(document)
    if not isinstance(found, dict):
        raise MalformedDocument("The body must be a JSON object, {…}.")
    if b"\\ud" in document or b"\\uD" in document:
        _refuse_lone_surrogates(document)
    return found


def _refuse_lone_surrogates(document: bytes) -> None:
    """Refuse escapes that no Unicode text can have, which Python's own parser takes."""
    try:
        from_json(document)
    except ValueError:
        raise MalformedDocument("The body is not valid JSON: it has a lone surrogate.") from None


async def read_lines(body: bytes, max_size: int) -> AsyncIterator[Document]:
    """Yield the documents of NDJSON, one from each line of at most `max_size` bytes.

    Blank lines are skipped.
    """
    body, slices = body.removeprefix(_BOM), TimeSlices()
    at = 0
    while at < len(body):
        await slices.step()
        start = _skip(body, at, at + _BLANKS)
        if start > at:
            at = start
            continue
        end = body.find(b"\n", at)
        end = len(body) if end < 0 else end
        yield await _one(body[at:end], max_size)
        at = end + 1


async def read_array(body: bytes, max_size: int) -> AsyncIterator[Document]:
    """Yield the documents of a JSON array, each of at most `max_size` bytes.

    Raise `MalformedDocument` if the body is not a JSON array.
    """
    body, slices = body.removeprefix(_BOM), TimeSlices()
    at = _skip(body, 0)
    if body[at : at + 1] != b"[":
        raise MalformedDocument(f"The body must be a JSON array. {ONE_PER_LINE}")
    at = _skip(body, at + 1)
    while body[at : at + 1] != b"]":
        await slices.step()
        document, end = _short(body, at, max_size) or await _any(body, at, max_size, slices)
        yield document
        at = _skip(body, end)
        if body[at : at + 1] == b",":
            at = _skip(body, at + 1)
        elif body[at : at + 1] != b"]":
            raise MalformedDocument("The body is not valid JSON: the array is cut off.")
    if _skip(body, at + 1) != len(body):
        raise MalformedDocument("The body is not valid JSON: something follows the array.")


async def _one(line: bytes, max_size: int) -> Document:
    if len(line) > max_size:
        return _too_long(max_size, ONE_PER_LINE if b"}{" in line else "")
    try:
        return await parse(line)
    except FlashNotifyError as error:
        return error


def _short(body: bytes, at: int, max_size: int) -> tuple[Document, int] | None:
    """Return a short object in an array and where it ends, or None for anything else.

    Parsing it at once takes a fraction of the time of measuring it first.
    """
    try:
        text, _ = utf_8_decode(body[at : at + min(_SHORT, max_size)])
        found, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError, _Duplicate):
        return None
    if not isinstance(found, dict):
        return None
    return found, at + (end if text.isascii() else len(text[:end].encode()))


async def _any(body: bytes, at: int, max_size: int, slices: TimeSlices) -> tuple[Document, int]:
    """Return any element of an array, measured before it is parsed, and where it ends."""
    end, cost = await measure(body, at, slices)
    return _too_complex() if cost > MAX_COST else _element(body, at, end, max_size), end


def _element(body: bytes, at: int, end: int, max_size: int) -> Document:
    """Return an element of an array; raise `MalformedDocument` if it is not JSON."""
    if end - at > max_size:
        return _too_long(max_size)
    try:
        found = _decode(body[at:end], body, at)
    except InvalidInput as error:
        return error
    if isinstance(found, dict):
        return found
    return MalformedDocument('It must be a JSON object, such as {"kind": …}.')


def _decode(document: bytes, whole: bytes = b"", at: int = 0) -> Any:
    """Return a parsed document, which may be the part of a `whole` that begins `at`."""
    try:
        return _DECODER.decode(document.decode())
    except UnicodeDecodeError:
        raise MalformedDocument("The body is not UTF-8.") from None
    except _Duplicate as error:
        detail = f"has the key {str(error)!r} twice"
        raise InvalidInput([FieldError("", "duplicate_key", detail)]) from None
    except json.JSONDecodeError as error:
        place = at + len(error.doc[: error.pos].encode())
        raise MalformedDocument(_not_json(error, whole or document, place)) from None
    except (ValueError, RecursionError) as error:
        raise MalformedDocument(f"The body is not valid JSON: {error}.") from None


def _not_json(error: json.JSONDecodeError, whole: bytes, place: int) -> str:
    """Return the text for a document that is not JSON: the parser stopped at `place`."""
    if error.msg == "Extra data" and whole[place:].lstrip(b" \t\r\n,").startswith(b"{"):
        return f"The body is not valid JSON: another object follows the first. {ONE_PER_LINE}"
    line = whole.count(b"\n", 0, place) + 1
    column = place - whole.rfind(b"\n", 0, place)
    cut = error.msg.startswith("Unterminated") or place >= len(whole.rstrip())
    what = "the end is missing" if cut else "there is a mistake"
    return f"The body is not valid JSON: {what} at line {line}, column {column}."


def _too_long(max_size: int, remedy: str = "") -> MalformedDocument:
    detail = f"The notification is longer than {max_size} bytes. {remedy}".rstrip()
    return MalformedDocument(detail, code="document_too_large")


def _too_complex() -> MalformedDocument:
    return MalformedDocument(
        "The document has too many members, lists, objects and numbers.", code="too_complex"
    )


def _skip(body: bytes, at: int, end: int | None = None) -> int:
    found = _SPACE.match(body, at, len(body) if end is None else end)
    return found.end() if found is not None else at
