"""FastAPI's analysis of endpoints, made once a process: each service has the same ones."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastapi import routing


def keep_analyses() -> None:
    """Let a route have the analysis of an earlier one if all that it depends on is the same."""
    analyse = routing._populate_api_route_state
    # With what they depend on, so that no other object gets an address that is in a key.
    kept: dict[Any, tuple[dict[str, Any], object]] = {}

    def populate(route: Any, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        signature = endpoint.__annotations__, endpoint.__defaults__, endpoint.__kwdefaults__
        given = signature, options
        key = endpoint.__code__, path, repr(given)
        if key not in kept:
            before = set(vars(route))
            analyse(route, path, endpoint, **options)
            state = {name: value for name, value in vars(route).items() if name not in before}
            kept[key] = state, given
        else:
            vars(route).update(kept[key][0])
            route.endpoint = endpoint
            route.dependant = replace(route.dependant, call=endpoint)

    routing._populate_api_route_state = populate
