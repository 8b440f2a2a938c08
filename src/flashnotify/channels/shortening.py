"""Shortens a text to what fits, at a word."""

from __future__ import annotations

from collections.abc import Callable


def shorten(text: str, fits: Callable[[str], bool], mark: str = "…") -> str:
    """`text` if it `fits`, else as much of its beginning as does with `mark` after it.

    It is cut at a word; a single word longer than all the room is cut where the room ends.
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
    cut = text[:low]
    at_word = cut if text[low : low + 1].isspace() else " ".join(cut.split(" ")[:-1])
    return (at_word if at_word.strip() else cut).rstrip() + mark
