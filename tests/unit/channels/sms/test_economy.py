"""SMS texts in the cheapest characters."""

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
