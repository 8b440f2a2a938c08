"""The tables of docs/api.md, generated from the code."""

from typing import Any

from flashnotify.identity.principal import known_scopes
from flashnotify.meta.registry import NOTIFIERS

__all__ = ["paths_table", "scopes_table"]

_SCOPES = {
    "read": "read channels, queue and statistics; the notifications, deliveries, events "
    "and captured messages of what its holder sent",
    "read:all": "the same, and also those of what others sent",
    "admin": "do everything, including managing API keys",
    "notify:*": "send, cancel and retry notifications of every kind",
    "people": "import, export and erase people, manage groups and their members, and see who is in "
    "an audience",
    "devices": "see, register and remove the devices of all",
}


def paths_table(document: dict[str, Any]) -> str:
    """Return a table of every path of an OpenAPI document."""
    lines = ["| path | what it does |", "| --- | --- |"]
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            lines.append(f"| `{method.upper()} {path}` | {operation['summary']} |")
    return "\n".join(lines) + "\n"


def scopes_table() -> str:
    """Return a table of every scope that a key can have."""
    lines = ["| scope | what it allows |", "| --- | --- |"]
    for scope in known_scopes(NOTIFIERS.values()):
        kind = scope.removeprefix("notify:")
        lines.append(
            f"| `{scope}` | {_SCOPES.get(scope, f'send, cancel and retry {kind} notifications')} |"
        )
    return "\n".join(lines) + "\n"
