"""A browser at our pages: it keeps cookies, follows redirects and sends forms."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import httpx

from tests.support.signing_in import OWN_PAGE


class _Forms(HTMLParser):
    """The forms of a page, each with its fields."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[dict[str, str]]] = {}
        self._fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._fields = {}
            self.found.setdefault(given["action"], []).append(self._fields)
        elif tag == "input":
            self._fields[given["name"]] = given.get("value", "")


def forms(page: httpx.Response) -> dict[str, list[dict[str, str]]]:
    """Return the fields of the forms of a page, by where they are sent."""
    parser = _Forms()
    parser.feed(page.text)
    return parser.found


def text_of(page: httpx.Response) -> str:
    """Return what a page says."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))


class Visitor:
    """A browser. `page` is the one that it shows."""

    def __init__(self, transport: httpx.AsyncBaseTransport, base_url: str = "http://test") -> None:
        self.http = httpx.AsyncClient(transport=transport, base_url=base_url, follow_redirects=True)
        self.page = httpx.Response(200)

    @property
    def text(self) -> str:
        return text_of(self.page)

    async def open(self, path: str, **headers: str) -> httpx.Response:
        """Open a page."""
        self.page = await self.http.get(path, headers=headers)
        return self.page

    async def send(
        self, action: str, headers: dict[str, str] = OWN_PAGE, which: int = 0, **changes: Any
    ) -> httpx.Response:
        """Send a form of the page."""
        fields = forms(self.page)[action][which] | changes
        self.page = await self.http.post(action, data=fields, headers=headers)
        return self.page

    async def sign_in(self, login: str, password: str) -> httpx.Response:
        """Sign in, and stay at the page to which that leads."""
        await self.open("/sign-in")
        return await self.send("/sign-in", login=login, password=password)
