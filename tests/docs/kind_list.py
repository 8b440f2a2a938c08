"""The kinds of docs/kinds.md, as they are declared."""

import json
from collections.abc import Iterator
from typing import Any

from flashnotify import app
from flashnotify.meta.descriptors import Choice, Moment, Text
from flashnotify.meta.phone import Phone
from flashnotify.meta.registry import NOTIFIERS
from flashnotify.meta.specs import DEFAULT_RETENTION, NotifierSpec

__all__ = ["kind_list"]


def kind_list() -> str:
    """Return a section for each kind in Markdown."""
    assert app.DECLARATIONS  # importing the composition root declares every kind
    return "\n".join(line for kind in NOTIFIERS.values() for line in _section(kind)) + "\n"


def _section(kind: NotifierSpec) -> Iterator[str]:
    hours = kind.quiet_hours
    yield from ("", f"## `{kind.kind}`", "", str(kind.notifier.__doc__).strip(), "")
    yield "| | |"
    yield "| --- | --- |"
    yield f"| default priority | `{kind.priority.name}` |"
    yield f"| channels | {', '.join(kind.channels)} |"
    yield f"| quiet hours | {hours or 'none'} |"
    own = kind.retention != DEFAULT_RETENTION
    kept = f"{kind.retention.days} days" if own else "`FLASHNOTIFY_RETENTION_DAYS` (365)"
    yield f"| kept after the end | {kept} |"
    yield f"| scope | `{kind.scope}` |"
    yield from ("", "| field of `data` | required | what it is | type | example |")
    yield "| --- | --- | --- | --- | --- |"
    for name, field in kind.fields.items():
        required = "yes" if field.required else ""
        yield f"| `{name}` | {required} | {field.help} | {_type(field)} | `{field.example}` |"
    example = json.dumps(kind.example, ensure_ascii=False, indent=1)
    yield from ("", "```json", example, "```")


def _type(field: Any) -> str:
    match field:
        case Text(multiline=multiline, max_length=limit):
            lines = "text" if multiline else "one line"
            return f"{lines}, up to {limit} characters"
        case Moment():
            return "date and time with an offset"
        case Phone():
            return "phone number with its country code"
        case Choice(options=options):
            return " or ".join(f"`{option}`" for option in options)
    raise AssertionError(f"say how docs/kinds.md calls a {type(field).__name__}")
