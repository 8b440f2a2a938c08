"""Messages for the tests of push transports."""

from typing import Any

from flashnotify.domain import Message, Rendering
from flashnotify.ids import UUIDv7

IDS = UUIDv7(lambda: 1_800_000_000_000)


def message(title: str = "Room changed", text: str = "It is in B204.", **changes: Any) -> Message:
    """Return a push message with a new delivery id."""
    return Message(
        **{
            "delivery_id": IDS(),
            "to": str(IDS()),
            "rendering": Rendering("en", {"push_title": title, "push": text}),
            "accepted_at": 0,
            **changes,
        }
    )
