from hypothesis import given
from hypothesis import strategies as st

from flashnotify.channels.shortening import shorten


def test_what_fits_stays() -> None:
    assert shorten("as it is", lambda text: len(text) <= 8) == "as it is"


def test_is_cut_at_a_word() -> None:
    assert shorten("one two three", lambda text: len(text) <= 10) == "one two…"
    # The cut falls just where a word ends.
    assert shorten("one two three", lambda text: len(text) <= 8) == "one two…"


def test_a_word_longer_than_the_room_is_cut_where_it_ends() -> None:
    assert shorten("x" * 20, lambda text: len(text) <= 10) == "x" * 9 + "…"


@given(st.text(max_size=300), st.integers(3, 200))
def test_it_always_fits_and_begins_as_the_text_does(text: str, most: int) -> None:
    short = shorten(text, lambda some: len(some.encode()) <= most)
    assert len(short.encode()) <= most
    assert short == text or text.startswith(short.removesuffix("…"))
