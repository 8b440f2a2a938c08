"""SMS texts in the cheapest characters."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashnotify.channels.sms.segments import Encoding, economical, encoding_of, fit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("L’examen", "L'examen"),
        ("« Salle B204 »", '"Salle B204"'),
        ("«\N{NO-BREAK SPACE}Salle\N{NO-BREAK SPACE}»", '"Salle"'),
        ("Bus\N{NARROW NO-BREAK SPACE}: 12–14", "Bus : 12-14"),
        ("one\r\n\r\n\r\n  two\t three \n", "one\ntwo three"),
        # It fits as it is, so its spelling stays.
        ("Bâtiment fermé, reçu", "Bâtiment fermé, reçu"),
    ],
)
def test_punctuation_and_spaces_are_simplified(text: str, expected: str) -> None:
    assert economical(text, 2).text == expected


# Each is one character in a text that takes two segments of GSM-7, and would be cut in UCS-2.
@pytest.mark.parametrize(
    ("found", "sent"),
    [
        ("\N{ZERO WIDTH SPACE}", ""),
        ("\N{ZERO WIDTH JOINER}", ""),
        ("\N{ZERO WIDTH NON-JOINER}", ""),
        ("\N{ZERO WIDTH NO-BREAK SPACE}", ""),
        ("\N{SOFT HYPHEN}", ""),
        ("\N{LEFT-TO-RIGHT MARK}", ""),
        ("\N{WORD JOINER}", ""),
        ("\N{VARIATION SELECTOR-16}", ""),
        ("\U000e0101", ""),
        ("\N{COMBINING GRAPHEME JOINER}", ""),
        ("e\N{COMBINING ACUTE ACCENT}", "é"),
        ("A\N{COMBINING RING ABOVE}", "Å"),
        ("\N{HYPHEN}", "-"),
        ("\N{NON-BREAKING HYPHEN}", "-"),
        ("\N{HORIZONTAL BAR}", "-"),
        ("\N{MINUS SIGN}", "-"),
        ("\N{MODIFIER LETTER APOSTROPHE}", "'"),
        ("\N{PRIME}", "'"),
        ("`", "'"),
        ("\N{DOUBLE HIGH-REVERSED-9 QUOTATION MARK}", '"'),
        ("\N{MIDDLE DOT}", "."),
        ("\N{FRACTION SLASH}", "/"),
        ("\N{MULTIPLICATION SIGN}", "x"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER A}", "A"),
        # Only because the text would be cut otherwise.
        ("č", "c"),
        ("\N{SUPERSCRIPT TWO}", "2"),
        ("\N{LATIN SMALL LIGATURE FI}", "fi"),
        ("ł", "l"),
        ("½", "1/2"),
    ],
)
def test_one_character_does_not_cut_a_text_that_fits(found: str, sent: str) -> None:
    before, after = "Room B204 is closed. " * 7, "Use the east entrance. " * 6
    said = economical(f"{before}x{found}y {after}", 2)
    assert said.encoding is Encoding.gsm7
    assert said.text == f"{before}x{sent}y {after}".strip()


@pytest.mark.parametrize("text", ["می\N{ZERO WIDTH NON-JOINER}خواهم", "👩\N{ZERO WIDTH JOINER}🔬"])
def test_joiners_stay_where_they_shape_the_text_unless_it_would_be_cut(text: str) -> None:
    assert economical(text, 1).text == text
    full = text + "ب" * (71 - len(text.encode("utf-16-be")) // 2)
    assert economical(full, 1).text == full.replace("\u200c", "").replace("\u200d", "")


def test_a_long_run_of_marks_takes_no_time() -> None:
    """Normalising sorts them, in quadratic time."""
    began = time.process_time()
    economical("a" + "\N{COMBINING ACUTE ACCENT}\N{COMBINING DOT BELOW}" * 32_000, 10)
    assert time.process_time() - began < 1


def test_accents_are_removed_before_text_is_cut() -> None:
    text = "Le bâtiment est fermé ; le contrôle a lieu bientôt, à l’œil et au goût. " * 3
    assert fit(text, 2).segments == 2
    assert fit(text, 2).text.endswith("…")
    said = economical(text, 2)
    assert said.encoding is Encoding.gsm7
    assert said.text == (
        ("Le batiment est fermé ; le controle a lieu bientot, à l'oeil et au gout. " * 3).strip()
    )


def test_accents_stay_if_gsm7_is_impossible_anyway() -> None:
    text = "Đại học bâtiment " * 20
    said = economical(text, 2)
    assert said.encoding is Encoding.ucs2
    assert "bâtiment" in said.text


@given(st.text(max_size=2000), st.integers(1, 4))
def test_economy_keeps_the_limit_and_cuts_no_text_that_fits(text: str, most: int) -> None:
    said = economical(text, most)
    assert said.segments <= most
    assert said.encoding is encoding_of(said.text)
    plain = economical(text, 100).text
    if fit(plain, most).text == plain:
        assert said.text == plain
