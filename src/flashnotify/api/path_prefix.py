"""The path prefix under which a reverse proxy serves us, such as `/notify`."""

import re
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from flashnotify.networks import Network

_PREFIX = re.compile(rb"(?:/[A-Za-z0-9._~-]+)+")
# Of the request in progress.
_current: ContextVar[str] = ContextVar("path prefix", default="")


def link(path: str) -> str:
    """Return the path at which the client of the request in progress finds `path`."""
    return _current.get() + path


@dataclass(frozen=True, slots=True)
class PathPrefix:
    """Takes the prefix off the paths of requests, and gives it to `link`.

    It is what a trusted proxy says in `X-Forwarded-Prefix`, or else the `default`. It does not
    matter whether the proxy has taken it off the path.
    """

    app: ASGIApp
    default: str
    trusted: tuple[Network, ...]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        prefix = self._reported(scope) or self.default
        if prefix and scope["path"].startswith(prefix + "/"):
            raw = scope.get("raw_path")
            scope = {**scope, "path": scope["path"].removeprefix(prefix)}
            scope["raw_path"] = raw and raw.removeprefix(prefix.encode())
        before = _current.set(prefix)
        try:
            await self.app(scope, receive, send)
        finally:
            _current.reset(before)

    def _reported(self, scope: Scope) -> str:
        """Return the prefix that a trusted proxy reports; nothing if there is none."""
        given = next((v for name, v in scope["headers"] if name == b"x-forwarded-prefix"), b"")
        given = given.rstrip(b"/")
        if not given or not _PREFIX.fullmatch(given) or not scope.get("client"):
            return ""
        client = ip_address(scope["client"][0].partition("%")[0])
        client = getattr(client, "ipv4_mapped", None) or client
        return given.decode() if any(client in network for network in self.trusted) else ""
