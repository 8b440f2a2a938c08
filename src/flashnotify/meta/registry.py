"""Where declarations are found by name. Filled at import, frozen when the service starts."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from flashnotify.errors import DeclarationError

if TYPE_CHECKING:
    from flashnotify.meta.metaclasses import Channel
    from flashnotify.meta.specs import ConfigSpec, NotifierSpec, TemplatesSpec

T = TypeVar("T")


class Registry(Generic[T]):
    """Declarations of one sort by their names, in the order of declaration."""

    def __init__(self, sort: str) -> None:
        self._sort = sort
        self._items: dict[str, T] = {}
        self._frozen = False

    def add(self, name: str, item: T, declared_by: type[Any]) -> None:
        """Register `item`.

        Raises:
            DeclarationError: the name is taken, or the service has already started.
        """
        if self._frozen:
            raise DeclarationError(
                f"{declared_by.__qualname__}: the {self._sort} registry is frozen since the "
                "service started; declare it in a module that is imported before."
            )
        if name in self._items:
            raise DeclarationError(
                f"{declared_by.__qualname__}: a {self._sort} named {name!r} is declared already; "
                "give one of the two another name."
            )
        self._items[name] = item

    def freeze(self) -> None:
        """Refuse further declarations."""
        self._frozen = True

    def get(self, name: str) -> T | None:
        """What has that name, if anything has."""
        return self._items.get(name)

    def __getitem__(self, name: str) -> T:
        return self._items[name]

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[T]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def names(self) -> list[str]:
        """All names, in the order of declaration."""
        return list(self._items)

    def nearest(self, name: str) -> str | None:
        """The registered name most like `name`, for error messages."""
        matches = difflib.get_close_matches(name, self._items, n=1)
        return matches[0] if matches else None


CHANNELS: Registry[type[Channel]] = Registry("channel")
NOTIFIERS: Registry[NotifierSpec] = Registry("kind")
TEMPLATES: Registry[TemplatesSpec] = Registry("template set")
CONFIGS: Registry[ConfigSpec] = Registry("config")
