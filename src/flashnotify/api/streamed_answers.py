"""Answers that are made while they are sent."""

from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Send


class StreamedAnswer(StreamingResponse):
    """An answer whose making ends as soon as the client has left."""

    async def stream_response(self, send: Send) -> None:
        """Send the answer."""
        async with aclosing(self.body_iterator):  # type: ignore[type-var]  # it is a generator
            await super().stream_response(send)
