"""SMS texts in the characters that cost least."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashnotify.channels.sms.economy import economical
from flashnotify.channels.sms.segments import Encoding, encoding_of, fit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("L’examen", "L'examen"),
        ("« Salle B204 »", '"Salle B204"'),
        ("«\N{NO-BREAK SPACE}Salle\N{NO-BREAK SPACE}»", '"Salle"'),
        ("Bus\N{NARROW NO-BREAK SPACE}: 12–14", "Bus : 12-14"),
        ("one\r\n\r\n\r\n  two\t three \n", "one\ntwo three"),
        # Within its segments as it is: spelt as it should be.
        ("Bâtiment fermé, reçu", "Bâtiment fermé, reçu"),
    ],
)
def test_punctuation_is_plain_and_gaps_are_closed(text: str, expected: str) -> None:
    assert economical(text, 2).text == expected


def test_accents_go_before_the_end_of_the_text_does() -> None:
    text = "Le bâtiment est fermé ; le contrôle a lieu bientôt, à l’œil et au goût. " * 3
    assert fit(text, 2).segments == 2
    assert fit(text, 2).text.endswith("…")
    said = economical(text, 2)
    assert said.encoding is Encoding.gsm7
    assert said.text == (
        ("Le batiment est fermé ; le controle a lieu bientot, à l'oeil et au gout. " * 3).strip()
    )


def test_accents_stay_where_they_are_not_what_stands_in_the_way() -> None:
    text = "Đại học bâtiment " * 20
    said = economical(text, 2)
    assert said.encoding is Encoding.ucs2
    assert "bâtiment" in said.text


@given(st.text(max_size=2000), st.integers(1, 4))
def test_it_never_takes_more_room_nor_says_less_than_without(text: str, most: int) -> None:
    said = economical(text, most)
    assert said.segments <= most
    assert said.encoding is encoding_of(said.text)
    plain = economical(text, 100).text
    if fit(plain, most).text == plain:
        assert said.text == plain
