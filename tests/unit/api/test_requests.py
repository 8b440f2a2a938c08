"""How the body of a request is read."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from fastapi import Request

from flashnotify.api.requests import read_body
from flashnotify.errors import DocumentTooLarge, RequestTimeout


def request(*chunks: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Request:
    """One whose body comes in `chunks`, and after them nothing more."""
    waiting = list(chunks)

    async def receive() -> MutableMapping[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": waiting.pop(0), "more_body": True}

    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


@pytest.mark.looptime
async def test_a_sender_that_goes_silent_is_not_waited_for_for_ever() -> None:
    with pytest.raises(RequestTimeout, match="Send it again"):
        await read_body(request(b'{"kind": '), 1000)


@pytest.mark.parametrize("said", [(), ((b"content-length", b"12"),)])
async def test_what_is_too_long_is_not_read_to_its_end(
    said: tuple[tuple[bytes, bytes], ...],
) -> None:
    with pytest.raises(DocumentTooLarge, match="over 11 bytes"):
        await read_body(request(b"four", b"four", b"four", headers=said), 11)
