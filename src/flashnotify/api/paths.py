"""The paths of the API and their methods, for requests that match none."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, compile_path

from flashnotify.api.path_prefix import link
from flashnotify.meta.suggestions import did_you_mean


@dataclass(frozen=True, slots=True)
class _Path:
    template: str
    pattern: re.Pattern[str]
    methods: frozenset[str]

    def like(self, parts: list[str]) -> str:
        """Return the template, with the parts of a path of the same length in its parameters."""
        own = self.template.split("/")
        if len(own) != len(parts):
            return self.template
        filled = (part if name[:1] == "{" else name for name, part in zip(own, parts, strict=True))
        return "/".join(filled)


class Paths:
    """The documented paths of an app."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._paths = [
            _Path(route.path, compile_path(route.path)[0], frozenset(route.methods))
            for route in iter_route_contexts(list(routes))
            if route.path and route.methods and route.include_in_schema
        ]

    def methods(self, path: str) -> list[str]:
        """Return the methods of a path (RFC 9110, section 10.2.1)."""
        # A literal path comes before one with a parameter that it would fit.
        found = [known for known in self._paths if known.template == path]
        found = found or [known for known in self._paths if known.pattern.match(path)]
        return sorted(frozenset().union(*(known.methods for known in found)))

    def hint(self, path: str) -> str:
        """Return `; did you mean /v1/notifications?` for a path that is not known, or nothing."""
        bare = path.rstrip("/")
        if bare != path and self.methods(bare):
            return f"; did you mean {link(bare)}?"
        if "//" in path:
            return "; one of its parts is empty, such as the id."
        parts = path.split("/")
        return did_you_mean(link(path), {link(known.like(parts)) for known in self._paths})
