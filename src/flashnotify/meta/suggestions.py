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


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return `; did you mean title?` with the known name closest to `name`, or an empty string."""
    if len(name) > _MAX_LENGTH:
        return ""
    meant = SYNONYMS.get(name.lower())
    if meant not in known:
        meant = next(iter(difflib.get_close_matches(name.lower(), known, n=1)), None)
    return f"; did you mean {meant}?" if meant else ""
