"""The headers that ntfy's clients and scripts send: `Title`, `Priority` and `To`."""

import re
from collections.abc import Mapping
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from types import MappingProxyType

from fastapi import Request

from flashnotify.meta.suggestions import NTFY_PRIORITIES

# What each header is for.
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "title": "The title, as UTF-8 or as encoded words (RFC 2047).",
        "priority": "The priority, or ntfy's name or number for it: 1 to 5, `min`, `default`, "
        "`max`, `urgent`.",
        "to": "Recipients, separated by commas.",
    }
)
# RFC 9218: browsers and proxies send `Priority: u=1, i` for a purpose of their own.
# ntfy's default is the kind's own priority.
_IGNORED = re.compile(r"3|default|(?:u=[0-7])?\s*,?\s*(?:i(?:=\?[01])?)?")
# An encoded title longer than this is too long in any case.
_MAX_ENCODED = 4000


def given_headers(request: Request) -> Mapping[str, list[str]]:
    """Return the fields of a notification that a request has in its headers."""
    given = {name: list(map(_text, request.headers.getlist(name))) for name in HEADERS}
    levels = [p.strip().lower() for p in given["priority"]]
    found = {
        "title": given["title"],
        "priority": [NTFY_PRIORITIES.get(p, p) for p in levels if not _IGNORED.fullmatch(p)],
        "to": [entry.strip() for value in given["to"] for entry in value.split(",")],
    }
    return {name: values for name, values in found.items() if any(values)}


def _text(value: str) -> str:
    """Return the text of a header: servers read UTF-8 as Latin-1."""
    try:
        text = value.encode("latin-1").decode()
    except UnicodeDecodeError:
        text = value
    if "=?" not in text or len(text) > _MAX_ENCODED:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, UnicodeDecodeError):
        return text
