"""Phone numbers whose form alone says that they are valid are what phonenumbers says they are."""

import random
from collections.abc import Iterator

import phonenumbers
import pytest

from flashnotify.meta import phone
from flashnotify.meta.phone import Phone


def numbers() -> Iterator[str]:
    """Yield examples of all countries, and what is like them."""
    chance = random.Random(1)
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        found = phonenumbers.example_number_for_type(
            regions[0], phonenumbers.PhoneNumberType.MOBILE
        )
        if found is None:
            continue
        example = phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)
        yield example
        first = len(str(code)) + 1
        for digit in "0189":
            yield example[:first] + digit + example[first:]
            yield example[:first] + digit + example[first + 1 :]
        yield example[:-1]
        place = chance.randrange(first, len(example))
        yield example[:place] + str(chance.randrange(10)) + example[place + 1 :]


def test_what_takes_the_short_path_is_what_the_long_one_returns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short = {number for number in numbers() if phone._is_canonical(number)}
    assert len(short) > 150
    assert "+33612345678" in short
    monkeypatch.setattr(phone, "_is_canonical", lambda _: False)
    assert {Phone().validate(number) for number in short} == short
