from hypothesis import given
from hypothesis import strategies as st

from flashnotify.channels.shortening import shorten


def test_a_fitting_text_is_unchanged() -> None:
    assert shorten("as it is", lambda text: len(text) <= 8) == "as it is"


def test_a_long_text_ends_with_a_whole_word() -> None:
    assert shorten("one two three", lambda text: len(text) <= 10) == "one two…"
    # The limit is at the end of a word.
    assert shorten("one two three", lambda text: len(text) <= 8) == "one two…"


def test_a_single_long_word_is_cut_at_the_limit() -> None:
    assert shorten("x" * 20, lambda text: len(text) <= 10) == "x" * 9 + "…"


@given(st.text(max_size=300), st.integers(3, 200))
def test_the_result_fits_and_is_a_prefix(text: str, most: int) -> None:
    short = shorten(text, lambda some: len(some.encode()) <= most)
    assert len(short.encode()) <= most
    assert short == text or text.startswith(short.removesuffix("…"))
