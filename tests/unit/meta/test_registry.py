"""Registries keep order, reject duplicate names and can be frozen."""

import pytest

from flashnotify.errors import DeclarationError
from flashnotify.meta.registry import Registry


class Declared:
    """A class to register."""


def test_keeps_the_order_of_declaration() -> None:
    registry: Registry[int] = Registry("number")
    for number, name in enumerate(["b", "a", "c"]):
        registry.add(name, number, Declared)
    assert list(registry) == ["b", "a", "c"]
    assert list(registry.values()) == [0, 1, 2]
    assert (registry["a"], registry.get("x"), "c" in registry, len(registry)) == (1, None, True, 3)
    with pytest.raises(KeyError):
        registry["x"]


def test_refuses_a_name_that_is_taken_and_keeps_the_first() -> None:
    registry: Registry[int] = Registry("number")
    registry.add("a", 1, Declared)
    with pytest.raises(DeclarationError, match="Declared: a number named 'a' is already declared"):
        registry.add("a", 2, Declared)
    assert registry["a"] == 1


def test_refuses_everything_once_frozen() -> None:
    registry: Registry[int] = Registry("number")
    registry.freeze()
    with pytest.raises(DeclarationError, match="Declared: the number registry is frozen"):
        registry.add("a", 1, Declared)
    assert "a" not in registry


def test_knows_the_nearest_name() -> None:
    registry: Registry[int] = Registry("number")
    registry.add("academic", 1, Declared)
    assert registry.nearest("acadmic") == "academic"
    assert registry.nearest("zzz") is None
