"""The mapping that evicts its oldest entry."""

import pytest

from flashnotify.bounded_cache import BoundedCache


def test_the_oldest_entry_goes_when_there_is_no_room() -> None:
    cache: BoundedCache[str, int] = BoundedCache(2)
    cache.update(a=1, b=2, c=3)
    assert dict(cache) == {"b": 2, "c": 3}
    cache.setdefault("d", 4)
    assert dict(cache) == {"c": 3, "d": 4}
    cache.update(e=5, f=6)
    assert dict(cache) == {"e": 5, "f": 6}


def test_replacing_a_value_evicts_nothing_and_renews_nothing() -> None:
    cache: BoundedCache[str, int] = BoundedCache(2)
    cache.update(a=1, b=2)
    cache["a"] = 3
    assert dict(cache) == {"a": 3, "b": 2}
    cache["c"] = 4
    assert dict(cache) == {"b": 2, "c": 4}


def test_what_is_to_be_kept_goes_last() -> None:
    cache: BoundedCache[str, int] = BoundedCache(2, keep=lambda value: value > 10)
    cache.update(a=11, b=2, c=3)
    assert dict(cache) == {"a": 11, "c": 3}
    cache.update(d=14, e=15)
    assert dict(cache) == {"d": 14, "e": 15}


def test_it_is_a_mapping() -> None:
    cache: BoundedCache[str, int] = BoundedCache(2)
    cache["a"] = 1
    assert cache.get("a") == 1
    assert cache.get("b") is None
    assert "a" in cache
    assert len(cache) == 1
    del cache["a"]
    assert not cache
    with pytest.raises(KeyError):
        cache["a"]
