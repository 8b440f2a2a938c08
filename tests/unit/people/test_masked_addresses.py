"""How addresses of people are shown to those who may not look people up."""

import pytest

from flashnotify.people.masked_addresses import masked, masked_in


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ada@univ.example", "a***@univ.example"),
        ('"ada@home"@univ.example', '"***@univ.example'),
        ("+33612345678", "+336*****678"),
        ("01a204ab-133f-7000-95d3-66f8d33980d8", "01a204ab-133f-7000-95d3-66f8d33980d8"),
    ],
)
def test_the_middle_is_hidden(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_it_is_hidden_in_what_a_provider_says() -> None:
    text = "550 <Ada@Univ.Example>: unknown"
    assert masked_in(text, "ada@univ.example") == "550 <a***@univ.example>: unknown"
    assert masked_in(None, "ada@univ.example") is None
    assert masked_in("550 2", "2") == "550 2"
