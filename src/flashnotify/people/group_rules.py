"""Checks the rules of groups: JSON over the attributes of people."""

import re
from collections.abc import Mapping
from typing import Any

from flashnotify.errors import FieldError, InvalidInput, InvalidValue

_NOT, _ANY = "not", "any"
_MAX_DEPTH = 5
# Attributes, their values, and rules within: a database looks at each of them for each person.
_MAX_PARTS = 100
_MAX_LENGTH = 200
# What a database can compare exactly.
_LARGEST = 2**53
# An attribute's name becomes part of a path (`$."name"`), which has no form for some characters.
_NAME = re.compile(r"[\w][\w .-]{0,63}")


def check_rule(rule: object, pointer: str = "/rule") -> Mapping[str, Any]:
    """Return a rule in which each attribute has a list of values.

    Raise `InvalidInput` with pointers below `pointer`.
    """
    checking = _Checking()
    checked = checking.rule(rule, (pointer.removeprefix("/"),), 1)
    if checking.errors:
        raise InvalidInput(checking.errors)
    return checked


class _Checking:
    """The mistakes in a rule so far, and how many parts it has."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []
        self._parts = 0

    def rule(self, rule: object, path: tuple[int | str, ...], depth: int) -> dict[str, Any]:
        if not isinstance(rule, dict):
            return self._refuse(path, "wrong_type", "must be an object")
        if depth > _MAX_DEPTH:
            return self._refuse(path, "too_deep", f"must nest at most {_MAX_DEPTH} rules")
        if not rule:
            return self._refuse(path, "empty", "must have an attribute, `not` or `any`")
        checked: dict[str, Any] = {}
        for name, wanted in rule.items():
            if not self._counts((*path, name)):
                break
            checked[name] = self._part(name, wanted, (*path, name), depth)
        return checked

    def _part(self, name: str, wanted: Any, path: tuple[int | str, ...], depth: int) -> Any:
        if name == _NOT:
            return self.rule(wanted, path, depth + 1)
        if name != _ANY and not _NAME.fullmatch(name):
            detail = "must be the name of an attribute: up to 64 letters, digits, spaces, _ . or -"
            return self._refuse(path, "invalid_name", detail)
        values = wanted if isinstance(wanted, list) or name == _ANY else [wanted]
        if not isinstance(values, list) or not values:
            return self._refuse(path, "wrong_type", "must be a list that is not empty")
        each = self._within if name == _ANY else self._value
        return [each(v, (*path, i), depth) for i, v in enumerate(values[: _MAX_PARTS + 1])]

    def _within(self, rule: object, path: tuple[int | str, ...], depth: int) -> Any:
        return self.rule(rule, path, depth + 1) if self._counts(path) else None

    def _value(self, value: object, path: tuple[int | str, ...], _: int) -> Any:
        if self._counts(path):
            try:
                return _checked(value)
            except InvalidValue as error:
                self._refuse(path, error.code, str(error))
        return None

    def _counts(self, path: tuple[int | str, ...]) -> bool:
        """Return whether there may be one more part."""
        self._parts += 1
        if self._parts == _MAX_PARTS + 1:
            self._refuse(path, "too_many", f"must have at most {_MAX_PARTS} parts")
        return self._parts <= _MAX_PARTS

    def _refuse(self, path: tuple[int | str, ...], code: str, detail: str) -> dict[str, Any]:
        self.errors.append(FieldError.at(path, code, detail))
        return {}


def _checked(value: object) -> str | int | float:
    """Return a value that an attribute may have."""
    if isinstance(value, str):
        if len(value) > _MAX_LENGTH:
            raise InvalidValue("too_long", f"must have at most {_MAX_LENGTH} characters")
        return value
    if isinstance(value, int | float):
        if not abs(value) <= _LARGEST:
            raise InvalidValue("out_of_range", f"must be between -{_LARGEST} and {_LARGEST}")
        return value
    raise InvalidValue("wrong_type", "must be a string, a number or a boolean")
