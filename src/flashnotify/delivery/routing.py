"""Which channels a recipient gets a notification on: kind ∩ request ∩ preferences ∩ addresses."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from flashnotify.archive.people_records import Person
from flashnotify.archive.records import Notification
from flashnotify.delivery.recipients import Recipient
from flashnotify.domain import USER, Address, Priority
from flashnotify.meta.specs import ChannelSpec, NotifierSpec

NOT_OFFERED = "not offered by kind"
NOT_REQUESTED = "not among the request's channels"
INACTIVE = "the person is deactivated"
OPTED_OUT = "the person opted out of this kind"
NO_ADDRESS = "the person has no address for these channels"


class Route(NamedTuple):
    """One planned delivery: an address, of a person or not, or the reason why it is skipped."""

    channel: str
    address: Address
    skipped: str | None = None
    person: Person | None = None


class Routing:
    """Routes recipients. `channels` are all that the service has, by name."""

    def __init__(self, channels: Mapping[str, ChannelSpec]) -> None:
        self.channels = channels

    def routes(
        self,
        kind: NotifierSpec | None,
        recipients: Sequence[Recipient],
        notification: Notification,
    ) -> Iterator[Route]:
        """Yield at least one route for each recipient; what no channel offers is skipped."""
        for recipient in recipients:
            if isinstance(recipient, Person):
                yield from self._to_person(kind, recipient, notification)
            else:
                yield from self._to_address(kind, recipient, notification)

    def _to_address(
        self, kind: NotifierSpec | None, address: Address, notification: Notification
    ) -> Iterator[Route]:
        requested = notification.channels
        offered = kind.channels if kind is not None else {}
        names = [name for name, c in offered.items() if c.scheme == address.scheme]
        for name in names:
            allowed = requested is None or name in requested
            yield Route(name, address, None if allowed else NOT_REQUESTED)
        if not names:
            yield Route(self._channel_of(address.scheme), address, NOT_OFFERED)

    def _to_person(
        self, kind: NotifierSpec | None, person: Person, notification: Notification
    ) -> Iterator[Route]:
        """Yield a route for each address on the channels that a person wants, or one skipped."""
        wanted = () if kind is None else _wanted(kind, person, notification)
        routes = [
            Route(name, Address(scheme, value), person=person)
            for name in wanted
            for scheme in [self.channels[name].scheme]
            for value in person.addresses(scheme)
        ]
        if person.active and routes:
            yield from routes
            return
        why = NO_ADDRESS if wanted else OPTED_OUT if kind is not None else NOT_OFFERED
        name, address = self._channel_of(USER), Address(USER, str(person.id))
        yield Route(name, address, why if person.active else INACTIVE, person)

    def _channel_of(self, scheme: str) -> str:
        """Return the channel that reaches addresses of `scheme`, whatever kinds offer it."""
        reaching = (name for name, c in self.channels.items() if c.scheme == scheme)
        return next(reaching, scheme)


def _wanted(kind: NotifierSpec, person: Person, notification: Notification) -> Sequence[str]:
    """Return the channels on which a person gets a notification.

    What the person chose for the topic, or else for the kind, limits what was requested; the kind's
    defaults are for a request without channels. A critical notification ignores all of it, and
    nobody opts out of a mandatory kind.
    """
    requested, chosen = notification.channels, person.topic_channels
    if chosen is None:
        chosen = person.preferences.kinds.get(kind.kind)
    if notification.priority is Priority.critical:
        return requested or list(kind.channels)
    if chosen is None or (kind.mandatory and not chosen):
        return requested or [name for name in kind.channels if name in kind.default_channels]
    return [n for n in kind.channels if n in chosen and (requested is None or n in requested)]
