"""recipient × kind × request → channels: who gets a notification on which channel."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from flashnotify.domain import Address
from flashnotify.meta.specs import NotifierSpec


@dataclass(frozen=True, slots=True)
class Route:
    """One delivery to be: an address on a channel, or the reason why there is none."""

    channel: str
    address: Address
    skipped: str | None = None


def route(
    kind: NotifierSpec, recipients: Sequence[Address], channels: Collection[str] | None
) -> Iterator[Route]:
    """The channels of the kind ∩ those of the request, for each address that they reach."""
    for recipient in recipients:
        for name, channel in kind.channels.items():
            if channel.scheme == recipient.scheme:
                wanted = channels is None or name in channels
                yield Route(name, recipient, None if wanted else "not among the request's channels")
