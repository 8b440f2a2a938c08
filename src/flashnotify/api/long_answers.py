"""Long JSON answers: encoded item by item and sent part by part, in slices."""

import json
from collections.abc import Iterable, Sequence

from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from flashnotify.time_slices import TimeSlices

# Bytes that are sent at once.
_PART = 64 * 1024


class LongAnswer(Response):
    """A JSON answer that consists of `texts`."""

    def __init__(
        self,
        texts: Sequence[bytes],
        slices: TimeSlices,
        status_code: int = 200,
        media_type: str = "application/json",
    ) -> None:
        size = {"Content-Length": str(sum(map(len, texts)))}
        super().__init__(None, status_code, size, media_type)
        self._texts = texts
        self._slices = slices

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        part = bytearray()
        for text in self._texts:
            part += text
            if len(part) >= _PART:
                await self._slices.step()
                await send({"type": "http.response.body", "body": bytes(part), "more_body": True})
                part.clear()
        await send({"type": "http.response.body", "body": bytes(part)})


async def page_answer(
    items: Iterable[BaseModel], cursor: str | None, slices: TimeSlices
) -> Response:
    """Return the `Page` of `items`, each made when it is its turn; `cursor` is the next page's."""
    texts = [b'{"items":[']
    for item in items:
        if len(texts) > 1:
            texts.append(b",")
        texts.append(item.model_dump_json().encode())
        await slices.step()
    texts.append(b'],"next":%s}' % (json.dumps(cursor).encode()))
    return LongAnswer(texts, slices)
