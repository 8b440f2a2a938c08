"""Shortens a text to what fits, at a word."""

from __future__ import annotations

from collections.abc import Callable


def shorten(text: str, fits: Callable[[str], bool], mark: str = "…") -> str:
    """`text` if it `fits`, else as much of its beginning as does with `mark` after it.

    It is cut at a word, if there is one. Of a long text give no more than could fit: `fits` is
    asked about what is given, some dozen times.
    """
    if fits(text):
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if fits(text[:middle].rstrip() + mark):
            low = middle
        else:
            high = middle - 1
    return _at_word(text, low) + mark


def _at_word(text: str, end: int) -> str:
    """`text` up to the last word that ends before `end`; up to `end` if no word does."""
    cut = text[:end].rstrip()
    if text[end : end + 1].isspace() or len(cut) < end:
        return cut
    words = cut.split()
    if len(words) < 2:
        # A single word longer than all the room is cut where the room ends.
        return cut
    return cut.removesuffix(words[-1]).rstrip()
