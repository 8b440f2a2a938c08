"""Answers in JSON."""

from collections.abc import Iterable
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response


class JsonAnswer(Response):
    """An answer with `content` as JSON, encoded by pydantic: UUIDs, times and enums too."""

    def __init__(
        self, content: Any, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        # Not Starlette's own: to encode headers that we know took as long as the content.
        self.status_code = status
        self.background = None
        self.body = to_json(content)
        self.raw_headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(self.body)),
            *headers,
        ]
