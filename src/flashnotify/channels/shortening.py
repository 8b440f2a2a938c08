"""Shortening of texts."""

from bisect import bisect
from collections.abc import Callable


def shorten(text: str, fits: Callable[[str], bool], mark: str = "…", ending: str = "") -> str:
    """Return `text` if it `fits`, or else its longest beginning that fits with `mark` after it.

    It ends with a whole word if possible. `fits` is called about a dozen times, so cut a very long
    text first. An `ending` is never cut: it follows in any case.
    """
    if ending:
        return shorten(text, lambda cut: fits(cut + ending), mark) + ending
    if fits(text):
        return text
    end = bisect(range(1, len(text) + 1), False, key=lambda n: not fits(text[:n].rstrip() + mark))
    cut = text[:end].rstrip()
    words = cut.split()
    # Cut in the middle of a word, unless it is the first one, which is too long by itself.
    if len(words) > 1 and len(cut) == end and not text[end : end + 1].isspace():
        cut = cut.removesuffix(words[-1]).rstrip()
    return cut + mark
