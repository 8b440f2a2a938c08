"""Which attributes an answer has (RFC 7644, section 3.9)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flashnotify.facades.scim.schemas import CORE_GROUP, CORE_USER

_ALWAYS = ("schemas", "id")
_CORE = (f"{CORE_USER}:".lower(), f"{CORE_GROUP}:".lower())


@dataclass(frozen=True, slots=True)
class Selection:
    """The attributes that a client wants, or those that it does not, in lower case."""

    wanted: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()

    @classmethod
    def of(cls, attributes: Iterable[str], excluded: Iterable[str]) -> "Selection":
        """Return the selection of names as clients write them; the wanted ones come first."""
        wanted = frozenset(map(_plain, attributes)) - {""}
        return cls(wanted, frozenset() if wanted else frozenset(map(_plain, excluded)) - {""})

    def has(self, name: str) -> bool:
        """Return whether an answer has an attribute, or part of it."""
        name = name.lower()
        if self.wanted:
            return any(_within(each, name) for each in self.wanted)
        return name not in self.excluded

    def of_document(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a document has of it."""
        if not self.wanted and not self.excluded:
            return dict(document)
        found = {}
        for name, value in document.items():
            if name in _ALWAYS:
                found[name] = value
            elif self.has(name) and (part := self._part(name.lower(), value)) not in ({}, []):
                found[name] = part
        return found

    def _part(self, name: str, value: Any) -> Any:
        """Return what is wanted of the value of an attribute."""
        if name in self.wanted:
            return value
        if isinstance(value, list):
            return [part for part in (self._part(name, each) for each in value) if part != {}]
        if not isinstance(value, Mapping):
            return value
        return {sub: each for sub, each in value.items() if self._has_sub(name, sub.lower())}

    def _has_sub(self, name: str, sub: str) -> bool:
        # An extension's attributes come after a colon.
        full = f"{name}:{sub}" if name.startswith("urn:") else f"{name}.{sub}"
        if self.wanted:
            return any(each == full or each.startswith(f"{full}.") for each in self.wanted)
        return full not in self.excluded


def _plain(name: str) -> str:
    name = name.strip().lower()
    for prefix in _CORE:
        name = name.removeprefix(prefix)
    return name


def _within(wanted: str, name: str) -> bool:
    return wanted == name or wanted.startswith((f"{name}.", f"{name}:"))
