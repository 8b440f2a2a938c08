"""The registries of declarations: filled at import, frozen when the service starts."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from flashnotify.errors import DeclarationError

if TYPE_CHECKING:
    from flashnotify.meta.metaclasses import Channel
    from flashnotify.meta.specs import ConfigSpec, NotifierSpec, TemplatesSpec

T = TypeVar("T")


class Registry(dict[str, T]):
    """Declarations of one sort by name, in order of declaration."""

    def __init__(self, sort: str) -> None:
        super().__init__()
        self._sort = sort
        self._frozen = False

    def add(self, name: str, item: T, declared_by: type[Any]) -> None:
        """Register `item` under `name`.

        Raise `DeclarationError` if the name is taken, or the service has started.
        """
        if self._frozen:
            raise DeclarationError(
                f"{declared_by.__qualname__}: the {self._sort} registry is frozen once the "
                "service has started; declare it in a module that is imported earlier."
            )
        if name in self:
            raise DeclarationError(
                f"{declared_by.__qualname__}: a {self._sort} named {name!r} is already declared; "
                "rename one of the two."
            )
        self[name] = item

    def freeze(self) -> None:
        """Refuse further declarations."""
        self._frozen = True

    def with_others(self, others: Registry[T]) -> Registry[T]:
        """Return a frozen registry that has the declarations of `others` too."""
        both: Registry[T] = Registry(self._sort)
        both.update({**others, **self})
        both.freeze()
        return both

    def nearest(self, name: str) -> str | None:
        """Return the registered name closest to `name`, or None."""
        return next(iter(difflib.get_close_matches(name, self, n=1)), None)


class DeclarationMeta(type):
    """Base of the metaclasses: calls `_declare` with the class keywords of a complete class."""

    # Compiles a class and registers it; each metaclass has its own.
    _declare: Callable[..., None]

    def __new__(  # noqa: D102  # documented on the class
        metacls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **keywords: Any
    ) -> DeclarationMeta:
        cls = super().__new__(metacls, name, bases, namespace)
        cls._declare(**keywords)
        return cls


CHANNELS: Registry[type[Channel]] = Registry("channel")
NOTIFIERS: Registry[NotifierSpec] = Registry("kind")
TEMPLATES: Registry[TemplatesSpec] = Registry("template set")
CONFIGS: Registry[ConfigSpec] = Registry("config")
# Of notifications that only the service itself sends.
INTERNAL_NOTIFIERS: Registry[NotifierSpec] = Registry("internal kind")
INTERNAL_TEMPLATES: Registry[TemplatesSpec] = Registry("internal template set")
