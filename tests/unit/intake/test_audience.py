"""`to`: each bad entry is named by its place, and what is good is in canonical form, once."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashnotify import time_slices
from flashnotify.domain import Address
from flashnotify.errors import InvalidInput
from flashnotify.intake.audience import Audience
from flashnotify.meta import Email, Text
from flashnotify.time_slices import TimeSlices
from tests.support.loop_turns import counted_turns
from tests.support.memory_archive import MemoryArchive

AUDIENCE = Audience(
    {"mailto": Email().validate, "loft": Text(max_length=8).validate},
    {},
    MemoryArchive().directory,
    TimeSlices(),
)
MAIL = frozenset({"mailto"})


async def checked(*to: str, schemes: frozenset[str] = MAIL) -> list[str]:
    """The recipients."""
    return list((await AUDIENCE.check(to, schemes)).addresses)


@pytest.mark.parametrize(
    ("entry", "canonical"),
    [
        ("mailto:ada@univ.example", "mailto:ada@univ.example"),
        ("MAILTO:Ada@UNIV.example", "mailto:Ada@univ.example"),
        ("mailto:ada%40univ.example", "mailto:ada@univ.example"),
        ("mailto:a%2Bb@univ.example", "mailto:a+b@univ.example"),
        ("mailto:a+b@univ.example", "mailto:a+b@univ.example"),
        ("mailto:ada@b%C3%BCcher.example", "mailto:ada@xn--bcher-kva.example"),
    ],
)
async def test_an_address_is_put_in_canonical_form(entry: str, canonical: str) -> None:
    assert await checked(entry) == [canonical]


async def test_addresses_that_differ_in_case_are_one_recipient() -> None:
    entries = ("mailto:Ada@univ.example", "mailto:ada@univ.example", "mailto:ADA@UNIV.EXAMPLE")
    assert await checked(*entries, "mailto:bob@univ.example") == [
        "mailto:Ada@univ.example",
        "mailto:bob@univ.example",
    ]


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("", "not_a_uri"),
        ("ada@univ.example", "not_a_uri"),
        ("tel:+33612345678", "unknown_scheme"),
        ("user:etu12345", "unknown_user"),
        ("group:l3-info", "unknown_group"),
        ("loft:north", "unsupported_scheme"),
        ("mailto:", "not_an_email_address"),
        ("mailto:ada", "not_an_email_address"),
        ("mailto:ada@localhost", "not_an_email_address"),
        ("mailto:ada@univ.example?subject=Hi", "has_query"),
        ("mailto:ada@univ.example,bob@univ.example", "several_addresses"),
        ("mailto:ada@univ.example%2Cbob@univ.example", "not_an_email_address"),
        ("mailto:ada@univ.example%0D%0ABcc:all@univ.example", "control_character"),
        ("mailto:ada%00@univ.example", "control_character"),
        ("mailto:ada%7f@univ.example", "control_character"),
        ("mailto:ada%C2%85@univ.example", "not_an_email_address"),
        ("mailto:ada%E2%80%A8@univ.example", "not_an_email_address"),
        ("mailto:%FF@univ.example", "not_utf8"),
        ("mailto:ada@univ.example\r\nBcc: all@univ.example", "not_an_email_address"),
        ("mailto: ada@univ.example", "not_an_email_address"),
        ("mailto:Ada <ada@univ.example>", "not_an_email_address"),
        ("mailto://ada@univ.example", "double_slash"),
        (" mailto:ada@univ.example", "leading_space"),
        ("\u00a0mailto:ada@univ.example", "leading_space"),
    ],
)
async def test_points_at_the_entry(entry: str, code: str) -> None:
    good = "mailto:ada@univ.example"
    with pytest.raises(InvalidInput) as failure:
        await checked(good, good, good, entry, good)
    (error,) = failure.value.errors
    assert (error.pointer, error.code) == ("/to/3", code)


@pytest.mark.parametrize("entry", ["mailto://ada@univ.example", " mailto:ada@univ.example"])
async def test_says_how_to_write_it(entry: str) -> None:
    with pytest.raises(InvalidInput) as failure:
        await checked(entry)
    assert failure.value.errors[0].detail.endswith("; write mailto:ada@univ.example")


async def test_every_bad_entry_is_named() -> None:
    with pytest.raises(InvalidInput) as failure:
        await checked("x", "mailto:a@univ.example", "y")
    assert [error.pointer for error in failure.value.errors] == ["/to/0", "/to/2"]


async def test_a_great_many_bad_entries_are_not_all_named() -> None:
    with pytest.raises(InvalidInput) as failure:
        await checked(*["nobody"] * 10_000)
    assert len(failure.value.errors) == 100


async def test_of_a_great_many_entries_of_a_wrong_type_a_hundred_are_named() -> None:
    with pytest.raises(InvalidInput) as failure:
        await AUDIENCE.check([1] * 10_000, MAIL)
    assert {error.code for error in failure.value.errors} == {"wrong_type"}
    assert [error.pointer for error in failure.value.errors] == [f"/to/{n}" for n in range(100)]


async def test_each_recipient_counts_once_and_keeps_its_place() -> None:
    to = [f"mailto:{name}@UNIV.example" for name in "abcab"] + ["mailto:a@univ.example"]
    assert await checked(*to) == [f"mailto:{name}@univ.example" for name in "abc"]


async def test_schemes_that_several_channels_serve_are_all_taken() -> None:
    found = await AUDIENCE.check(["loft:north", "mailto:a@univ.example"], MAIL | {"loft"})
    assert [*found.addresses.values()] == [
        Address("loft", "north"),
        Address("mailto", "a@univ.example"),
    ]


async def test_a_long_list_lets_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the entries cost counts, not how many there are."""
    clock = itertools.count()
    monkeypatch.setattr(time_slices, "perf_counter", lambda: next(clock) * 0.001)
    async with counted_turns() as turns:
        await checked(*(f"mailto:a{number}@univ.example" for number in range(1000)))
    assert turns.number >= 20


@given(st.text(max_size=40), st.booleans())
async def test_nothing_that_is_taken_breaks_a_line(rest: str, encoded: bool) -> None:
    entry = f"mailto:{rest}@univ.example" if encoded else f"mailto:{rest}"
    try:
        (found,) = await checked(entry)
    except InvalidInput:
        return
    assert found.isascii()
    assert found.isprintable()
    assert " " not in found
