"""SMS segments, checked against an independent implementation of the standards."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flashnotify.channels.sms.segments import Encoding, Segmented, encoding_of, fit, segments

ESCAPE = 0x1B
# 3GPP TS 23.038, section 6.2.1: the characters in the order of their codes, 16 a line.
ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
# Section 6.2.1.1: the codes after an escape.
EXTENSION = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\",
    0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip


def septets(text: str) -> list[int] | None:
    """Return the text in the GSM 7-bit default alphabet, or None if that is impossible."""
    codes = {character: [code] for code, character in enumerate(ALPHABET) if code != ESCAPE}
    codes |= {character: [ESCAPE, code] for code, character in EXTENSION.items()}
    if not all(character in codes for character in text):
        return None
    return [code for character in text for code in codes[character]]


def units(text: str) -> list[int]:
    """Return the text in UTF-16, which phones use for UCS-2."""
    data = text.encode("utf-16-be")
    return [int.from_bytes(data[i : i + 2]) for i in range(0, len(data), 2)]


def transmitted(text: str) -> list[list[int]]:
    """Return the segments as transmitted.

    A single one holds 140 octets (TS 23.040, section 9.2.3.24). Each of several holds six less,
    because of the user data header (section 9.2.3.24.1). An escape sequence or a surrogate pair is
    never split.
    """
    coded = septets(text)
    bits = 16 if coded is None else 7
    rest = units(text) if coded is None else coded
    if len(rest) <= 140 * 8 // bits:
        return [rest]
    each = (140 - 6) * 8 // bits
    made: list[list[int]] = []
    while rest:
        end = each
        if len(rest) > end and _opens_a_pair(rest[end - 1], wide=coded is None):
            end -= 1
        made.append(rest[:end])
        rest = rest[end:]
    return made


def _opens_a_pair(unit: int, *, wide: bool) -> bool:
    return 0xD800 <= unit < 0xDC00 if wide else unit == ESCAPE


def mark_of(fitted: Segmented) -> str:
    return "..." if fitted.encoding is Encoding.gsm7 else "…"


GSM = st.sampled_from(ALPHABET.replace("\x1b", "") + "".join(EXTENSION.values()))
# Many special cases: extension characters, surrogate pairs, white space.
CHARACTERS = st.one_of(
    GSM,
    st.sampled_from("€{}[]~^|\\"),
    st.sampled_from("😀🎓 \n\t\u00a0ç’…"),
    st.characters(exclude_categories=["Cs"]),
)


def texts(characters: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Generate texts of about one to four segments, with and without spaces."""
    length = st.integers(0, 480)
    return st.one_of(
        length.flatmap(lambda n: st.text(characters, min_size=n, max_size=n)),
        st.lists(st.text(characters, min_size=1, max_size=20), max_size=60).map(" ".join),
    )


TEXTS = st.one_of(texts(GSM), texts(CHARACTERS))
LIMITS = st.integers(1, 10)


@given(TEXTS)
@example("")
@example("a" * 160)
@example("a" * 161)
@example("€" * 80)
@example("a" * 152 + "€" + "a" * 152)
@example("ç" * 70)
@example("ç" * 71)
@example("😀" * 35)
@example("ç" * 66 + "😀" + "ç" * 66)
def test_segment_count_matches_the_standards(text: str) -> None:
    expected = Encoding.ucs2 if septets(text) is None else Encoding.gsm7
    assert encoding_of(text) is expected
    assert segments(text, expected) == len(transmitted(text))


@given(TEXTS, LIMITS)
@example("a" * 161, 1)
@example("😀" * 36, 1)
@example(" " * 1000, 1)
@example("€" * 1000, 2)
@example("word " * 1000, 10)
def test_fitted_text_never_exceeds_the_limit(text: str, most: int) -> None:
    fitted = fit(text, most)
    on_air = transmitted(fitted.text)
    assert len(on_air) == fitted.segments <= most
    assert fitted.encoding is encoding_of(fitted.text)
    assert fitted.text or not text


@given(TEXTS, LIMITS)
def test_fitting_text_is_unchanged(text: str, most: int) -> None:
    if len(transmitted(text)) <= most:
        assert fit(text, most).text == text


@given(TEXTS, LIMITS)
@example("foo " * 100 + "\nbar", 1)
@example("foo\n" * 100, 1)
@example("a " + "b" * 1000, 2)
def test_long_text_is_cut_at_a_word(text: str, most: int) -> None:
    if len(transmitted(text)) <= most:
        return
    fitted = fit(text, most)
    kept = fitted.text.removesuffix(mark_of(fitted))
    assert kept != fitted.text
    assert text.startswith(kept)
    assert kept == kept.rstrip()
    following = text[len(kept) :]
    # Only a word too long by itself is cut.
    assert not following or following[0].isspace() or len(kept.split()) <= 1


@given(TEXTS, LIMITS)
def test_long_text_keeps_as_many_words_as_possible(text: str, most: int) -> None:
    if len(transmitted(text)) <= most:
        return
    fitted = fit(text, most)
    kept = fitted.text.removesuffix(mark_of(fitted))
    rest = text[len(kept) :]
    gap = len(rest) - len(rest.lstrip())
    if gap == 0 or gap == len(rest):
        return
    next_word = rest.split()[0]
    longer = kept + rest[:gap] + next_word + mark_of(fitted)
    # With one more word it would not fit.
    assert segments(longer, fitted.encoding) > most


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("Hello", 1, "Hello"),
        ("word " * 32 + "more", 1, "word " * 30 + "word..."),
        ("é" * 200, 1, "é" * 157 + "..."),
        ("ç" * 100, 1, "ç" * 69 + "…"),
        ("😀" * 40, 1, "😀" * 34 + "…"),
        ("€" * 81, 1, "€" * 78 + "..."),
        ("one\n" + "x" * 200, 1, "one..."),
    ],
)
def test_examples_of_fitted_texts(text: str, most: int, expected: str) -> None:
    assert fit(text, most).text == expected


def test_a_huge_text_is_cut_before_it_is_measured() -> None:
    """Measuring 64 KiB repeatedly would block the event loop."""
    assert fit("x" * 65_536, 2).text == "x" * 303 + "..."
