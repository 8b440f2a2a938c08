"""Suggestions for misspelt names, which end an error's text."""

import difflib
from collections.abc import Collection, Mapping
from types import MappingProxyType

# Maximum length of a name for which a similar one is looked up: longer ones take too long.
_MAX_LENGTH = 50
# What other services call the fields of a request.
SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "message": "body",
        "msg": "body",
        "text": "body",
        "content": "body",
        "subject": "title",
        "recipient": "to",
        "recipients": "to",
        "type": "kind",
        "category": "kind",
        "channel": "channels",
        "lang": "locale",
        "language": "locale",
    }
)
# What ntfy calls a priority. https://docs.ntfy.sh/publish/#message-priority
NTFY_PRIORITIES: Mapping[str, str] = MappingProxyType(
    {
        "1": "low",
        "min": "low",
        "2": "low",
        "4": "high",
        "5": "critical",
        "max": "critical",
        "urgent": "critical",
        "3": "medium",
    }
)


def did_you_mean(given: object, known: Collection[str]) -> str:
    """Return `; did you mean title?` with the known name closest to `given`, or an empty string."""
    meant = nearest(given, known)
    return f"; did you mean {meant}?" if meant else ""


def nearest(given: object, known: Collection[str]) -> str | None:
    """Return the known name that was probably meant, or None."""
    name = str(given).lower() if isinstance(given, str | int) else ""
    if not 0 < len(name) <= _MAX_LENGTH:
        return None
    for names in (SYNONYMS, NTFY_PRIORITIES):
        if (meant := names.get(name)) in known:
            return meant
    return next(iter(difflib.get_close_matches(name, known, n=1)), None)
