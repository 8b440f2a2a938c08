"""How the documents of a batch are read: a few at a time, so that others get the event loop."""

import json
from collections.abc import AsyncIterator, Callable

import pytest

from flashnotify.intake.bulk import Document, read_array, read_lines
from tests.support.loop_turns import counted_turns

DOCUMENTS = [{"number": number} for number in range(1000)]
ARRAY = json.dumps(DOCUMENTS).encode()
LINES = b"\n".join(json.dumps(document).encode() for document in DOCUMENTS)


@pytest.mark.parametrize(("read", "body"), [(read_array, ARRAY), (read_lines, LINES)])
async def test_others_get_the_loop_in_between(
    read: Callable[[bytes, int], AsyncIterator[Document]], body: bytes
) -> None:
    before, longest, found = 0, 0, []
    async with counted_turns() as turns:
        async for document in read(body, 1000):
            found.append(document)
            if turns.number > before:
                before, longest = turns.number, 0
            longest += 1
            assert longest <= 100
    assert found == DOCUMENTS


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\n\n", b" \n\t\n"])
async def test_lines_end_in_many_ways(ends: bytes) -> None:
    body = ends.join(json.dumps(document).encode() for document in DOCUMENTS[:3])
    for more in (b"", ends):
        assert [found async for found in read_lines(more + body + more, 1000)] == DOCUMENTS[:3]
