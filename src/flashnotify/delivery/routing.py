"""Which channels a recipient gets a notification on: kind ∩ request ∩ address."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from flashnotify.domain import Address
from flashnotify.meta.specs import ChannelSpec, NotifierSpec

NOT_OFFERED = "not offered by kind"
NOT_REQUESTED = "not among the request's channels"


class Route(NamedTuple):
    """One planned delivery: an address on a channel, or the reason why it is skipped."""

    channel: str
    address: Address
    skipped: str | None = None


class Routing:
    """Routes recipients. `channels` are all that the service has, by name."""

    def __init__(self, channels: Mapping[str, ChannelSpec]) -> None:
        self.channels = channels

    def routes(
        self,
        kind: NotifierSpec | None,
        recipients: Sequence[Address],
        requested: Collection[str] | None,
    ) -> Iterator[Route]:
        """Yield at least one route for each recipient; what no channel offers is skipped."""
        offered = kind.channels if kind is not None else {}
        for recipient in recipients:
            names = [name for name, c in offered.items() if c.scheme == recipient.scheme]
            for name in names:
                allowed = requested is None or name in requested
                yield Route(name, recipient, None if allowed else NOT_REQUESTED)
            if not names:
                yield Route(self._channel_of(recipient.scheme), recipient, NOT_OFFERED)

    def _channel_of(self, scheme: str) -> str:
        """Return the channel that reaches addresses of `scheme`, whatever kinds offer it."""
        reaching = (name for name, c in self.channels.items() if c.scheme == scheme)
        return next(reaching, scheme)
