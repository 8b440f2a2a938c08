"""The tables of docs/api.md, as the code has them."""

from typing import Any

from flashnotify.identity.principal import known_scopes
from flashnotify.meta.registry import NOTIFIERS

__all__ = ["paths_table", "scopes_table"]

_SCOPES = {
    "read": "see notifications, deliveries, events, the outbox, channels and statistics",
    "admin": "everything, API keys included",
    "notify:*": "send every kind; cancel and retry",
    "devices": "register and remove devices",
}


def paths_table(document: dict[str, Any]) -> str:
    """Every path of an OpenAPI document, with what it is for."""
    lines = ["| path | what |", "| --- | --- |"]
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            lines.append(f"| `{method.upper()} {path}` | {operation['summary']} |")
    return "\n".join(lines) + "\n"


def scopes_table() -> str:
    """Every scope that a key can have."""
    lines = ["| scope | what it allows |", "| --- | --- |"]
    for scope in known_scopes(NOTIFIERS):
        kind = scope.removeprefix("notify:")
        lines.append(f"| `{scope}` | {_SCOPES.get(scope, f'send {kind}; cancel and retry it')} |")
    return "\n".join(lines) + "\n"
