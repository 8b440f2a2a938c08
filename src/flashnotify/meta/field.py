"""`Field`: what every descriptor of a Notifier's field is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class Field(ABC, Generic[T]):
    """Base of the descriptors. The value lives in the instance's `__dict__`, under its name."""

    name: str = ""

    def __init__(
        self, *, required: bool = False, help: str = "", example: str | None = None
    ) -> None:
        self.required = required
        self.help = help
        self.example = example

    @abstractmethod
    def validate(self, value: object) -> T:
        """Return the canonical value.

        Raises:
            ValueError: with a message that tells the person what is expected.
        """

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of what `validate` takes."""
        return {"type": "string"}

    def described(self) -> dict[str, Any]:
        """The JSON Schema with the help and the example of this declaration."""
        schema = self.schema()
        if self.help:
            schema["description"] = self.help
        if self.example is not None:
            schema["examples"] = [self.example]
        return schema

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any]) -> T | None: ...
    def __get__(self, instance: object | None, owner: type[Any]) -> Self | T | None:
        if instance is None:
            return self
        return instance.__dict__.get(self.name)

    def __set__(self, instance: object, value: object) -> None:
        instance.__dict__[self.name] = self.validate(value)
