"""The path prefix under which a reverse proxy serves us, such as `/notify`."""

import re
from contextvars import ContextVar
from dataclasses import dataclass

from starlette.types import Scope

from flashnotify.api.headers import header
from flashnotify.networks import Network, belongs_to

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
# Of the request in progress.
_current: ContextVar[str] = ContextVar("path prefix", default="")


def link(path: str) -> str:
    """Return the path at which the client of the request in progress finds `path`."""
    return _current.get() + path


@dataclass(frozen=True, slots=True)
class PathPrefix:
    """The prefix that a trusted proxy says in `X-Forwarded-Prefix`, or else the `default`."""

    default: str
    trusted: tuple[Network, ...]

    def taken_off(self, scope: Scope) -> Scope:
        """Return a request without the prefix, and let `link` know it.

        It does not matter whether the proxy has taken it off the path.
        """
        prefix = self._reported(scope) or self.default
        _current.set(prefix)
        if not prefix or not scope["path"].startswith(prefix + "/"):
            return scope
        raw = scope.get("raw_path")
        raw = raw and raw.removeprefix(prefix.encode())
        return {**scope, "path": scope["path"].removeprefix(prefix), "raw_path": raw}

    def _reported(self, scope: Scope) -> str:
        """Return the prefix that a trusted proxy reports; nothing if there is none."""
        given = (header(scope, b"x-forwarded-prefix") or "").rstrip("/")
        if not given or not _PREFIX.fullmatch(given) or not scope.get("client"):
            return ""
        return given if belongs_to(scope["client"][0], self.trusted) else ""
