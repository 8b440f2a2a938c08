"""Measure the length and the parsing cost of a JSON value, without parsing it."""

import re
from mmap import mmap

from flashnotify.errors import MalformedDocument
from flashnotify.time_slices import TimeSlices

# What a document may cost: parsing more, or any other work on it, takes over 5 ms.
MAX_COST = 15_000
_COSTS = {b"{"[0]: 2, b":"[0]: 2, b"["[0]: 1, b","[0]: 1}
_STRING = 0.25
# Tokens of one value, after which its end is no longer looked for.
_MAX_TOKENS = 300_000
# Bytes read between two looks at the time.
_WINDOW = 2048
# A string with the comma after it, or a character of the structure. A lone quote begins a string
# that goes on after the window.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"(?:[ \t\r\n]*+,)?+|[]\[{}:,"]', re.DOTALL)
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_OPENING, _CLOSING = b"[{", b"]}"
_QUOTE, _COMMA = b'"'[0], b","[0]


def may_cost_too_much(document: bytes) -> bool:
    """Return whether a document may cost more than `MAX_COST`: its strings are not looked into."""
    return 2 * len(document) > MAX_COST and 2 * sum(map(document.count, _COSTS)) > MAX_COST


async def measure(body: bytes | mmap, at: int, slices: TimeSlices) -> tuple[int, float]:
    """Return where the value that begins at `at` ends, and what it costs to parse.

    Brackets are only counted: a parser tells whether they match. Raise `MalformedDocument` if the
    value does not end, or has very many tokens.
    """
    value = _Value(body)
    while at < len(body):
        await slices.step()
        if value.tokens > _MAX_TOKENS:
            raise MalformedDocument("The body is too complex.", code="too_complex")
        for found in _TOKEN.finditer(body, at, at + _WINDOW):
            start, end = found.span()
            cut = body[start] == _QUOTE and end == start + 1
            if cut:
                end = at = await _string_end(body, end, slices)
            if value.ends(start, end):
                return value.end, value.cost
            if cut:
                break
        else:
            at += _WINDOW
    raise _cut_off()


class _Value:
    """A value that is read token by token. It ends at `end`."""

    def __init__(self, body: bytes | mmap) -> None:
        self._body = body
        self._depth = self.tokens = self.end = 0
        self.cost = 0.0

    def ends(self, start: int, end: int) -> bool:
        """Count a token; return whether the value ends with it, or before it."""
        token = self._body[start]
        self.tokens += 1
        if token == _QUOTE:
            self.end = end - (self._body[end - 1] == _COMMA)
            self.cost += _STRING if self._depth else 0
            return not self._depth
        if token in _CLOSING:
            # The end of a list or object, or of the one that contains a number or word.
            self.end = end if self._depth == 1 else start
            self._depth -= 1
            return self._depth <= 0
        if token == _COMMA and not self._depth:
            self.end = start
            return True
        self.cost += _COSTS[token]
        self._depth += token in _OPENING
        return False


async def _string_end(body: bytes | mmap, at: int, slices: TimeSlices) -> int:
    """Return the end of a string that goes on after a window, from a place in it."""
    while (found := _IN_STRING.match(body, at, at + _WINDOW)) and found.end() > at:
        at = found.end()
        await slices.step()
    if body[at : at + 1] != b'"':
        raise _cut_off()
    return at + 1


def _cut_off() -> MalformedDocument:
    return MalformedDocument("The body is not valid JSON: the end is missing.")
