"""The choice of a language: one rule for templates and for texts in several languages."""

from collections.abc import Iterable


def lookup(known: Iterable[str], *wanted: str) -> str | None:
    """Return the first of the `known` locales that one of the `wanted` ones falls back to.

    `fr-CA` falls back to `fr` (RFC 4647, section 3.4).
    """
    names = {name.replace("_", "-").lower(): name for name in known}
    for locale in wanted:
        tags = locale.replace("_", "-").lower().split("-")
        for length in range(len(tags), 0, -1):
            found = names.get("-".join(tags[:length]))
            if found is not None:
                return found
    return None
