"""Templates are translated at the first start, and again when something changes."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from flashnotify.meta.template_cache import Key, TemplateCache, Translated

KEY: Key = ("", "{{ body }}", ())
MODULE = "campus_templates"


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the compiled code of a module."""
    found = ModuleType(MODULE)
    found.__file__ = str(tmp_path / "campus.py")
    monkeypatch.setitem(sys.modules, MODULE, found)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    (tmp_path / "__pycache__").mkdir()
    return tmp_path / "__pycache__"


def translations(key: Key = KEY, name: str = "Lab") -> int:
    """Return how many templates a start translates."""
    made: list[Key] = []

    def translate() -> Translated:
        made.append(key)
        return compile("x = 1", "<template>", "exec"), frozenset({"body"}), frozenset()

    cache = TemplateCache(MODULE, name)
    code, variables, needed = cache.get(key, translate)
    assert code.co_names == ("x",)
    assert (variables, needed) == (frozenset({"body"}), frozenset())
    cache.save()
    return len(made)


def test_the_next_start_translates_nothing() -> None:
    assert [translations(), translations(), translations()] == [1, 0, 0]


def test_a_changed_source_is_translated() -> None:
    changed: Key = ("", "{{ title }}", ())
    assert [translations(), translations(changed), translations(changed)] == [1, 1, 0]


def test_a_damaged_file_is_replaced(module: Path) -> None:
    assert translations() == 1
    [file] = module.iterdir()
    for content in (b"", file.read_bytes()[:-1], bytes(100)):
        file.write_bytes(content)
        assert [translations(), translations()] == [1, 0]


def test_where_nothing_can_be_kept(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [translations(name="test.<locals>.Lab") for _ in range(2)] == [1, 1]
    with monkeypatch.context() as patched:
        patched.setattr(sys, "dont_write_bytecode", True)
        assert [translations(), translations()] == [1, 1]
    module.rmdir()
    assert [translations(), translations()] == [1, 1]
