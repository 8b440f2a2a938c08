"""JSON from strangers: what it costs is known before it is parsed."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from time import thread_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashnotify.errors import FlashNotifyError, InvalidInput, MalformedDocument
from flashnotify.intake import json_cost
from flashnotify.intake.json_cost import MAX_COST, measure
from flashnotify.intake.json_documents import Document, parse, read_array, read_lines
from flashnotify.time_slices import TimeSlices

Read = Callable[[bytes, int, TimeSlices], AsyncIterator[Document]]
Outcome = Mapping[str, Any] | FlashNotifyError
BOM = b"\xef\xbb\xbf"
MANY = 16 * 1024 * 1024
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


async def all_of(read: Read, body: bytes, max_size: int) -> list[Outcome]:
    """The documents that `read` finds, parsed as a batch parses them, and the errors."""
    found: list[Outcome] = []
    async for document in read(body, max_size, TimeSlices()):
        if isinstance(document, FlashNotifyError):
            found.append(document)
            continue
        try:
            found.append(await parse(document, TimeSlices()))
        except FlashNotifyError as error:
            found.append(error)
    return found


def code(document: Outcome) -> str:
    assert isinstance(document, MalformedDocument)
    return document.code


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=5),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_an_array_is_read_as_json_has_it(
    documents: list[dict[str, Any]], indent: int | None, ascii_only: bool
) -> None:
    body = json.dumps(documents, indent=indent, ensure_ascii=ascii_only).encode(errors="replace")
    found = asyncio.run(all_of(read_array, body, 10**6))
    assert found == json.loads(body)


@pytest.mark.parametrize("letter", ["e", "é", "漢", "😀"])
async def test_elements_of_all_lengths_are_read_as_json_has_them(letter: str) -> None:
    most = MAX_COST // 2 // len(letter.encode())
    documents = [{"t": letter * length} for length in (*range(most - 9, most + 3), 1, most // 2)]
    body = json.dumps(documents, ensure_ascii=False).encode()
    assert await all_of(read_array, body, 10**6) == documents


async def test_a_short_element_may_be_too_long() -> None:
    found = await all_of(read_array, b'[{"a": 1}, {"a": 12}]', 8)
    assert found[0] == {"a": 1}
    assert code(found[1]) == "document_too_large"


@pytest.mark.parametrize("element", ["1", '"a,b]"', "null", "[1, [2]]", '""', "-1.5e3"])
async def test_an_element_that_is_no_object_rejects_itself(element: str) -> None:
    found = await all_of(read_array, f'[{{"a": 1}}, {element} ,{{}}]'.encode(), 1000)
    assert [isinstance(each, MalformedDocument) for each in found] == [False, True, False]


@pytest.mark.parametrize("body", [b"[{}", b"[{},", b'[{"', b'[{"a": 1]', b"[{}}", b"[{} {}]", b"["])
async def test_an_array_that_is_cut_off_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedDocument):
        await all_of(read_array, body, 1000)


@pytest.mark.parametrize("body", [b'{"to": 1, "to": 2}', b'{"data": {"x": 1, "x": 1}}'])
async def test_a_key_is_given_once(body: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        await parse(body, TimeSlices())
    (error,) = refused.value.errors
    assert error.code == "duplicate_key"
    found = await all_of(read_array, b"[{}," + body + b"]", 1000)
    found += await all_of(read_lines, b"{}\n" + body, 1000)
    assert [isinstance(each, InvalidInput) for each in found] == [False, True] * 2


async def test_a_byte_order_mark_is_ignored() -> None:
    assert await parse(BOM + b'{"a": 1}', TimeSlices()) == {"a": 1}
    assert await all_of(read_array, BOM + b'[{"a": 1}]', 100) == [{"a": 1}]
    assert await all_of(read_lines, BOM + b'{"a": 1}\n', 100) == [{"a": 1}]


@pytest.mark.parametrize(
    "content",
    [b"[],", b"{},", b'{"a":0},', b"1.5,", b'"a":0,'],
)
async def test_a_costly_document_is_refused(content: bytes) -> None:
    body = b'{"x":[' + content * 30_000 + b"0]}"
    with pytest.raises(MalformedDocument) as refused:
        await parse(body, TimeSlices())
    assert refused.value.code == "too_complex"
    first, second = await all_of(read_array, b"[" + body + b",{}]", 10**6)
    assert (code(first), second) == ("too_complex", {})


async def test_very_many_strings_are_costly() -> None:
    assert len(await parse(b'{"to":["a"' + b',"a"' * 50_000 + b"]}", TimeSlices())) == 1
    with pytest.raises(MalformedDocument) as refused:
        await parse(b'{"to":["a"' + b',"a"' * 70_000 + b"]}", TimeSlices())
    assert refused.value.code == "too_complex"


async def test_an_array_of_many_costly_documents_is_refused() -> None:
    one = b'{"x":[' + b"[]," * 3700 + b"[]]}"
    assert len(await all_of(read_array, b"[" + b",".join([one] * 20) + b"]", 10**6)) == 20
    with pytest.raises(MalformedDocument) as refused:
        await all_of(read_array, b"[" + b",".join([one] * 200) + b"]", 10**6)
    assert refused.value.code == "too_complex"


async def test_a_lone_surrogate_in_an_array_rejects_its_own_element() -> None:
    found = await all_of(read_array, b'[{"a": "\\ud800"}, {}]', 1000)
    assert isinstance(found[0], MalformedDocument)
    assert found[1] == {}


async def test_long_texts_and_lists_of_addresses_are_not_costly() -> None:
    document = {
        "body": "[{,:}]," * 9000,
        "to": [f"mailto:a{n}@univ.example" for n in range(20_000)],
    }
    assert await parse(json.dumps(document).encode(), TimeSlices()) == document


@pytest.mark.parametrize(
    ("read", "body"),
    [
        (read_array, b'[{"x":[' + b"[]," * (MANY // 3) + b"[]]}]"),
        (read_array, b'["' + b'\\"' * (MANY // 2)),
        (read_lines, b"\n" * MANY),
        (read_lines, b'{"x":[' + b"[]," * (MANY // 3) + b"[]]}"),
    ],
    ids=["lists", "a string without end", "blank lines", "one line"],
)
async def test_a_hostile_batch_is_soon_over(read: Read, body: bytes) -> None:
    before = thread_time()
    with contextlib.suppress(MalformedDocument):
        assert all(map(code, await all_of(read, body, 1024 * 1024)))
    # A fraction of it on a quiet machine, where parsing took 2 to 8 s.
    assert thread_time() - before < 4


WINDOW = json_cost._WINDOW


@pytest.mark.parametrize("rest", [b"", b",2]", b"}"])
@pytest.mark.parametrize("content", [b"", b"x", b"\\\\", b'\\"', b"{[,:"], ids=repr)
@pytest.mark.parametrize("length", [0, *range(WINDOW - 9, WINDOW + 3), 3 * WINDOW - 1, 9 * WINDOW])
async def test_a_string_ends_at_its_quote_however_windows_fall(
    length: int, content: bytes, rest: bytes
) -> None:
    string = b'"' + b"x" * length + content * WINDOW + b'"'
    assert await measure(string + rest, 0, TimeSlices()) == (len(string), 0)
    listed = b'[{"x":' + string + b"}]"
    assert (await measure(listed + rest, 0, TimeSlices()))[0] == len(listed)
    with pytest.raises(MalformedDocument):
        await measure(string[:-1], 0, TimeSlices())


async def test_others_get_the_loop_while_a_value_is_measured() -> None:
    steps: list[int] = []

    class Slices(TimeSlices):
        async def step(self) -> None:
            steps.append(1)

    body = b'{"x":[' + b"[]," * 10_000 + b"[]]}"
    end, _ = await measure(body, 0, Slices())
    assert end == len(body)
    assert len(steps) == len(body) // json_cost._WINDOW + 1


async def test_a_mistake_is_found_by_its_line_or_far_on_by_its_byte() -> None:
    for blank, place in ((3, "line 4, column 2"), (MANY // 8, f"byte {MANY // 8 + 3}")):
        body = b"[" + b"\n" * blank + b"{x}]"
        with pytest.raises(MalformedDocument, match=rf"there is a mistake at {place}\.$"):
            [document async for document in read_array(body, 1000, TimeSlices())]
