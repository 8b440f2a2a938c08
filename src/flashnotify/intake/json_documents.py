"""JSON documents from callers. Their cost is measured before they are parsed: see `json_cost`."""

import json
import re
from codecs import utf_8_decode
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from mmap import mmap
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
# Bytes that are searched for the end of a line in one step.
_SEARCHED = 1024 * 1024
# Bytes that cost no more than `MAX_COST` to parse, whatever they are.
_SHORT = MAX_COST // 2
# The cost of all elements of an array that are too long to be parsed at once: to measure more takes
# over a second.
_MAX_MEASURED = 1_000_000

# What to do with many documents, in a sentence that their errors end with.
ONE_PER_LINE = (
    "Send one notification per line (NDJSON) to /v1/notifications/batch, with `Content-Type: "
    "application/x-ndjson`; with curl, use --data-binary, because -d joins the lines."
)

# Long ones are in mapped memory.
Body: TypeAlias = bytes | mmap
# One of many, not parsed yet: parsed ones would fill the memory. Or the error that it has already.
Document: TypeAlias = bytes | FlashNotifyError


class _Duplicate(Exception):  # caught here
    """An object has this key twice."""


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        times = Counter(key for key, _ in members)
        raise _Duplicate(next(key for key in found if times[key] > 1))
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse)
# Finds the end of a document faster; whether it has a key twice is seen when it is parsed.
_SCANNER = json.JSONDecoder(parse_constant=_refuse)


async def parse(document: bytes, slices: TimeSlices) -> Mapping[str, Any]:
    """Return the JSON object in a body.

    Raises:
        MalformedDocument: the body is not a JSON object, or costs too much to parse.
        InvalidInput: an object in it has a key twice.
    """
    document = document.removeprefix(_BOM)
    if not document or document.isspace():
        raise MalformedDocument("The body is empty. Send a JSON object, {…}.")
    if may_cost_too_much(document):
        _, cost = await measure(document, 0, slices)
        if cost > MAX_COST:
            raise _too_complex()
    is_long = len(document) > _SHORT
    if is_long:
        await slices.step()
    found = _decode(document)
    if not isinstance(found, dict):
        raise MalformedDocument("The body must be a JSON object, {…}.")
    if is_long:
        await slices.step()
    if b"\\ud" in document or b"\\uD" in document:
        _refuse_lone_surrogates(document)
        await slices.step()
    return found


def _refuse_lone_surrogates(document: bytes) -> None:
    """Refuse escapes that no Unicode text can have, which Python's own parser takes."""
    try:
        from_json(document)
    except ValueError:
        raise MalformedDocument("The body is not valid JSON: it has a lone surrogate.") from None


async def read_lines(body: Body, max_size: int, slices: TimeSlices) -> AsyncIterator[Document]:
    """Yield the documents of NDJSON, one from each line of at most `max_size` bytes.

    Blank lines are skipped.
    """
    at = await _skip(body, _start(body), slices)
    while at < len(body):
        end = await _find(body, b"\n", at, len(body), slices)
        if end - at <= max_size:
            yield bytes(body[at:end])
        else:
            joined = await _find(body, b"}{", at, end, slices) < end
            yield _too_long(max_size, ONE_PER_LINE if joined else "")
        at = await _skip(body, end, slices)


async def read_array(body: Body, max_size: int, slices: TimeSlices) -> AsyncIterator[Document]:
    """Yield the documents of a JSON array, each of at most `max_size` bytes.

    Raise `MalformedDocument` if the body is not a JSON array.
    """
    at = await _skip(body, _start(body), slices)
    if body[at : at + 1] != b"[":
        raise MalformedDocument(f"The body must be a JSON array. {ONE_PER_LINE}")
    at = await _skip(body, at + 1, slices)
    spent = 0.0
    while body[at : at + 1] != b"]":
        await slices.step()
        found = _short(body, at, max_size) or await _any(body, at, max_size, slices)
        document, end, cost = found
        spent += cost
        if spent > _MAX_MEASURED:
            raise MalformedDocument("The body is too complex.", code="too_complex")
        yield document
        at = await _skip(body, end, slices)
        if body[at : at + 1] == b",":
            at = await _skip(body, at + 1, slices)
        elif body[at : at + 1] != b"]":
            raise MalformedDocument("The body is not valid JSON: the array is cut off.")
    if await _skip(body, at + 1, slices) != len(body):
        raise MalformedDocument("The body is not valid JSON: something follows the array.")


def _short(body: Body, at: int, max_size: int) -> tuple[Document, int, float] | None:
    """Return a short object in an array, where it ends and no cost, or None for anything else.

    Parsing it at once takes a fraction of the time of measuring it first.
    """
    try:
        text, _ = utf_8_decode(body[at : at + min(_SHORT, max_size)])
        found, end = _SCANNER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    end = at + (end if text.isascii() else len(text[:end].encode()))
    return bytes(body[at:end]), end, 0.0


async def _any(
    body: Body, at: int, max_size: int, slices: TimeSlices
) -> tuple[Document, int, float]:
    """Return any element of an array, measured before it is parsed, where it ends and its cost."""
    end, cost = await measure(body, at, slices)
    await slices.step()
    document = _too_complex() if cost > MAX_COST else _element(body, at, end, max_size)
    return document, end, cost


def _element(body: Body, at: int, end: int, max_size: int) -> Document:
    """Return an element of an array, or its error; raise `MalformedDocument` if it is not JSON."""
    if end - at > max_size:
        return _too_long(max_size)
    document = bytes(body[at:end])
    try:
        found = _decode(document, body, at)
    except InvalidInput as error:
        return error
    if isinstance(found, dict):
        return document
    return MalformedDocument('It must be a JSON object, such as {"kind": …}.')


def _decode(document: bytes, whole: Body = b"", at: int = 0) -> Any:
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


def _not_json(error: json.JSONDecodeError, whole: Body, place: int) -> str:
    """Return the text for a document that is not JSON: the parser stopped at `place`."""
    following = whole[place : place + _BLANKS].lstrip(b" \t\r\n,")
    if error.msg == "Extra data" and following.startswith(b"{"):
        return f"The body is not valid JSON: another object follows the first. {ONE_PER_LINE}"
    rest = _SPACE.match(whole, place, place + _BLANKS)
    blank = rest is not None and rest.end() == rest.endpos
    cut = error.msg.startswith("Unterminated") or blank
    what = "the end is missing" if cut else "there is a mistake"
    return f"The body is not valid JSON: {what} at {_place_name(whole, place)}."


def _place_name(whole: Body, place: int) -> str:
    """Return how people find a place: far on, lines take too long to count."""
    if place > _SEARCHED:
        return f"byte {place + 1}"
    before = whole[:place]
    line, column = 1 + before.count(b"\n"), place - before.rfind(b"\n")
    return f"line {line}, column {column}"


def _too_long(max_size: int, remedy: str = "") -> MalformedDocument:
    detail = f"The notification is longer than {max_size} bytes. {remedy}".rstrip()
    return MalformedDocument(detail, code="document_too_large")


def _too_complex() -> MalformedDocument:
    return MalformedDocument(
        "The document has too many members, lists, objects and numbers.", code="too_complex"
    )


def _start(body: Body) -> int:
    return len(_BOM) if body[: len(_BOM)] == _BOM else 0


async def _find(body: Body, what: bytes, at: int, end: int, slices: TimeSlices) -> int:
    """Return where the first of these bytes between two places is; `end` if there are none."""
    while at < end:
        await slices.step()
        # One that begins in this part may end in the next.
        found = body.find(what, at, min(at + _SEARCHED + len(what) - 1, end))
        if found >= 0:
            return found
        at += _SEARCHED
    return end


async def _skip(body: Body, at: int, slices: TimeSlices) -> int:
    """Return where the white space that may begin `at` ends."""
    while (found := _SPACE.match(body, at, at + _BLANKS)) and found.end() > at:
        at = found.end()
        if at < found.endpos:
            break
        await slices.step()
    return at
