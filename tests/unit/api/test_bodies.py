"""Reading request bodies within limits."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from fastapi import Request

from flashnotify.api.bodies import read_body
from flashnotify.errors import DocumentTooLarge


def request(*chunks: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Request:
    """Return a request whose body stalls after `chunks`."""
    waiting = list(chunks)

    async def receive() -> MutableMapping[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": waiting.pop(0), "more_body": True}

    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


@pytest.mark.parametrize("said", [(), ((b"content-length", b"12"),)])
async def test_a_body_over_the_limit_is_refused(
    said: tuple[tuple[bytes, bytes], ...],
) -> None:
    with pytest.raises(DocumentTooLarge):
        await read_body(request(b"four", b"four", b"four", headers=said), 11)
