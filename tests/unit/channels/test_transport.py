"""Excerpts of providers' answers."""

from hypothesis import given
from hypothesis import strategies as st

from flashnotify.channels.transport import excerpt


@given(st.text(max_size=700))
def test_an_excerpt_is_one_short_line(text: str) -> None:
    kept = excerpt(text)
    assert len(kept) <= 500
    kept.encode()
    assert "\n" not in kept
    assert "\r" not in kept


def test_an_excerpt_has_no_lone_surrogates() -> None:
    assert excerpt("550 \udcff no\r\nsuch user") == "550 ? no such user"
