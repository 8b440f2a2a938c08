"""What the transports share besides their URL."""

from hypothesis import given
from hypothesis import strategies as st

from flashnotify.channels.transport import excerpt


@given(st.text(max_size=700))
def test_a_providers_words_are_one_line_that_can_be_kept(text: str) -> None:
    kept = excerpt(text)
    assert len(kept) <= 500
    kept.encode()
    assert "\n" not in kept
    assert "\r" not in kept


def test_lone_surrogates_do_not_get_into_the_archive() -> None:
    assert excerpt("550 \udcff no\r\nsuch user") == "550 ? no such user"
