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
# Tokens read between two looks at the time.
_STEP = 500
# A string with the comma after it, or a character of the structure. A lone quote begins a string
# without end: to look for the end of each one again would take quadratic time.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"(?:[ \t\r\n]*+,)?+|[]\[{}:,"]', re.DOTALL)
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
    depth, cost = 0, 0.0
    for number, found in enumerate(_TOKEN.finditer(body, at), 1):
        if number % _STEP == 0:
            await slices.step()
            if number > _MAX_TOKENS:
                raise MalformedDocument("The body is too complex.", code="too_complex")
        start, end = found.span()
        token = body[start]
        if token == _QUOTE:
            if end == start + 1:
                break
            if depth == 0:
                return end - (body[end - 1] == _COMMA), cost
            cost += _STRING
        elif token in _CLOSING:
            depth -= 1
            if depth <= 0:
                # The end of a list or object, or of the one that contains a number or word.
                return end if depth == 0 else start, cost
        elif token == _COMMA and depth == 0:
            return start, cost
        else:
            cost += _COSTS[token]
            depth += token in _OPENING
    raise MalformedDocument("The body is not valid JSON: the end is missing.")
