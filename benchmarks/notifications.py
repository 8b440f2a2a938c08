"""What the benchmarks send: a kind without quiet hours, which would hold it for the night."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta


def notification(to: Sequence[str], **more: object) -> dict[str, object]:
    """Return a notification of some length."""
    return {
        "kind": "security",
        "title": "Fire drill",
        "body": "This is only a drill: practise the way out, then come back in.",
        "to": list(to),
        "data": {
            "location": "Building B, 2nd floor",
            "instructions": "Leave the building by the nearest exit.",
        },
        "priority": "low",
        **more,
    }


def held(to: Sequence[str]) -> dict[str, object]:
    """Return a notification whose delivery does not begin."""
    return notification(to, send_at=(datetime.now(UTC) + timedelta(days=300)).isoformat())


def mailboxes(number: int, prefix: str = "p") -> list[str]:
    """Return so many recipients of email."""
    return [f"mailto:{prefix}{n}@univ.example" for n in range(number)]


def phones(number: int) -> list[str]:
    """Return so many recipients of SMS."""
    return [f"tel:+336{n:08d}" for n in range(number)]
