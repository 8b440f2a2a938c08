"""Translated templates, kept as Python keeps its own: translating takes an eighth of a start."""

import contextlib
import hashlib
import importlib.util
import marshal
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import TypeAlias

import jinja2

# The code of a template, the variables that it uses, and the fields that it needs.
Translated: TypeAlias = tuple[CodeType, frozenset[str], frozenset[str]]
# What a translation depends on.
Key: TypeAlias = tuple[str, str, tuple[str, ...]]


class TemplateCache:
    """The translations of the templates of one class, in a file beside the code of its module.

    Whoever may write that file may write the code. A class in a function has none.
    """

    def __init__(self, module: str, name: str) -> None:
        source = getattr(sys.modules.get(module), "__file__", None)
        self._file: Path | None = None
        if source is not None and "<locals>" not in name:
            compiled = Path(importlib.util.cache_from_source(source))
            self._file = compiled.with_suffix(f".{name}.templates")
        self._kept = self._load()
        self._used: dict[Key, Translated] = {}

    def get(self, key: Key, translate: Callable[[], Translated]) -> Translated:
        """Return what `translate` returns, or returned for this key at an earlier start."""
        found = self._used[key] = self._kept.get(key) or translate()
        return found

    def save(self) -> None:
        """Keep what was used for the next start, if that is possible."""
        if self._file is None or sys.dont_write_bytecode or self._used.keys() == self._kept.keys():
            return
        content = marshal.dumps(self._used)
        # One that is written only in part has another digest.
        with contextlib.suppress(OSError):
            self._file.write_bytes(_digest(content) + content)

    def _load(self) -> dict[Key, Translated]:
        if self._file is None:
            return {}
        try:
            stored = self._file.read_bytes()
        except OSError:
            return {}
        digest, content = stored[:32], stored[32:]
        if digest != _digest(content):
            return {}
        found: dict[Key, Translated] = marshal.loads(content)  # noqa: S302  # as Python does
        return found


def _digest(content: bytes) -> bytes:
    """Return the SHA-256 of a cache's content, and of all that it was made with."""
    digest = hashlib.sha256(importlib.util.MAGIC_NUMBER + jinja2.__version__.encode())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    digest.update(content)
    return digest.digest()
