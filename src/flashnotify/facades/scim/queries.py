"""The parameters of a list (RFC 7644, section 3.4.2), from a query or a search request."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from flashnotify.archive.directory_filters import Condition, Every, Slice
from flashnotify.facades.scim.failures import invalid
from flashnotify.facades.scim.filters import MAX_LENGTH, condition_of, order_of
from flashnotify.facades.scim.schemas import MAX_RESULTS
from flashnotify.facades.scim.selection import Selection
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue

# Characters of a filter that is parsed at once. A thread parses longer ones.
_SHORT = 150
_WITHIN = 10.0
_MAX_NUMBER = 2**31
_DEFAULT_COUNT = 100


@dataclass(frozen=True, slots=True)
class Query:
    """What a list shows. `start` is its first index, from 1."""

    wanted: Condition
    part: Slice
    start: int
    selection: Selection


async def query_of(given: Mapping[str, Any], model: Any, threads: ThreadPoolQueue) -> Query:
    """Return the query of parameters. Raise `ScimError` or `SCIMException` for what is wrong."""
    text = given.get("filter") or ""
    if not isinstance(text, str) or len(text) > MAX_LENGTH:
        raise invalid(f"A filter has at most {MAX_LENGTH} characters", "invalidFilter")
    parse = partial(condition_of, text, model)
    wanted: Condition = Every()
    if text:
        wanted = parse() if len(text) <= _SHORT else await threads.run(parse, within=_WITHIN)
    start = max(_number(given, "startIndex", 1), 1)
    count = min(max(_number(given, "count", _DEFAULT_COUNT), 0), MAX_RESULTS)
    by = given.get("sortBy")
    order = order_of(str(by)[:200], model) if by else None
    descending = str(given.get("sortOrder", "")).lower() == "descending"
    part = Slice(start - 1, count, order, descending)
    return Query(wanted, part, start, selection_of(given))


def selection_of(given: Mapping[str, Any]) -> Selection:
    """Return the attributes that are wanted."""
    return Selection.of(_names(given.get("attributes")), _names(given.get("excludedAttributes")))


def _names(value: Any) -> list[str]:
    return list(map(str, value)) if isinstance(value, list) else str(value or "").split(",")


def _number(given: Mapping[str, Any], name: str, default: int) -> int:
    value = given.get(name)
    if value is None or value == "":
        return default
    try:
        number = int(str(value)[:20])
    except ValueError:
        raise invalid(f"{name} must be a whole number") from None
    return min(number, _MAX_NUMBER)
