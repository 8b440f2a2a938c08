"""Lists of the API, as commands read them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flashnotify.cli.client import Client


def test_a_short_page_goes_on() -> None:
    pages: list[dict[str, Any]] = [
        {"items": [], "next": "a"},
        {"items": [1], "next": "b"},
        {"items": [2, 3], "next": "c"},
    ]
    asked: list[str] = []

    class Short(Client):
        served = True

        def request(
            self, method: str, target: str, body: str | None, headers: Mapping[str, str]
        ) -> tuple[int, bytes]:
            asked.append(target)
            return 200, json.dumps(pages[len(asked) - 1]).encode()

        def stream(
            self, method: str, target: str, body: bytes, headers: Mapping[str, str]
        ) -> tuple[int, Iterator[bytes]]:
            raise NotImplementedError

    assert Short().list("/v1/x", {"kind": "k", "limit": 3}) == {"items": [1, 2, 3], "next": "c"}
    assert asked == [
        "/v1/x?kind=k&limit=3",
        "/v1/x?kind=k&limit=3&cursor=a",
        "/v1/x?kind=k&limit=2&cursor=b",
    ]
