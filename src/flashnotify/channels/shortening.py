"""Shortening of a text, at a word."""

from __future__ import annotations

from collections.abc import Callable


def shorten(text: str, fits: Callable[[str], bool], mark: str = "…") -> str:
    """Return `text` if it `fits`, else the longest beginning that fits with `mark` after it.

    Cuts at a word if there is one. Cut a very long text to what could fit first: `fits` is called
    about a dozen times.
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
    """Return `text` up to the last word that ends before `end`; up to `end` if no word does."""
    cut = text[:end].rstrip()
    if text[end : end + 1].isspace() or len(cut) < end:
        return cut
    words = cut.split()
    if len(words) < 2:
        # The first word is too long by itself.
        return cut
    return cut.removesuffix(words[-1]).rstrip()
