"""Error messages: the API's problems, in terms of the options that were typed."""

import json
from collections.abc import Mapping
from typing import Any

# What a person types for a part of the request, if it is not `--` and the part's name.
_TYPED = {
    "id": "ID",
    "body": "BODY",
    "channels": "--channel",
    "kinds": "--kind",
    "notification": "NOTIFICATION",
    "password": "the password",
    "scopes": "--scope",
}


def explain(status: int, answer: bytes, document: Any = None) -> str:
    """Return the message of a problem response, for the person whose command sent `document`."""
    try:
        problem = json.loads(answer)
        faults = problem.get("errors") or []
        return "\n".join(explain_fault(fault, document) for fault in faults) or problem["detail"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"serve answered {status} without a reason. Check its log."


def explain_fault(fault: Mapping[str, str], document: Any) -> str:
    """Return the message of one mistake: the option that was typed, and what is wrong with it."""
    typed = _typed(fault["pointer"], document)
    return f"{typed}: {fault['detail']}" if typed else fault["detail"]


def _typed(pointer: str, document: Any) -> str:
    """Return what was typed for the value at a JSON Pointer (RFC 6901)."""
    if not pointer:
        return ""
    first, *rest = (s.replace("~1", "/").replace("~0", "~") for s in pointer.split("/")[1:])
    option = _TYPED.get(first, f"--{first.replace('_', '-')}")
    given = document.get(first) if isinstance(document, dict) else None
    if rest and isinstance(given, list):
        return f"{option} {given[int(rest[0])]}"
    return " ".join((option, *rest))
