"""The query parameters of an endpoint: those it does not document are refused."""

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Header, Query
from fastapi.routing import APIRoute

from flashnotify.errors import FieldError, InvalidInput
from flashnotify.meta.suggestions import did_you_mean

# Mistakes shown of one query: a head of 64 KB has room for thousands.
_SHOWN = 20
_WAIT = "; wait is a parameter of GET /v1/notifications/{id} and of /v1/notify/{kind}"


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse query parameters that the endpoint does not document.

    A misspelt filter would otherwise match everything. Raise `InvalidInput` if the query has one.
    """
    route = request.scope["route"]
    if reads_query(route):
        return
    flat = get_flat_params(route.dependant)
    known = [param.alias for param in flat if isinstance(param.field_info, Query)]
    headers = [
        param.alias.title().replace("-Id", "-ID")
        for param in flat
        if isinstance(param.field_info, Header) and param.alias != "authorization"
    ]
    raise_unknown([name for name in request.query_params if name not in known], known, headers)


def reads_query(route: APIRoute) -> bool:
    """Return whether an endpoint documents its parameters itself: it also checks them itself."""
    return "parameters" in (route.openapi_extra or {})


def raise_unknown(names: list[str], known: list[str], headers: list[str]) -> None:
    """Raise `InvalidInput` if there are `names` of unknown parameters."""
    expected = f"expected one of {', '.join(known)}" if known else "this endpoint takes none"
    if headers and not known:
        expected += f", only the header {' or '.join(headers)}"
    if names:
        raise InvalidInput(
            [
                FieldError.at(
                    (name,),
                    "unknown_parameter",
                    f"unknown parameter; {expected}{_hint(name, known)}",
                )
                for name in names[:_SHOWN]
            ]
        )


def _hint(name: str, known: list[str]) -> str:
    return _WAIT if name == "wait" else did_you_mean(name, known)
