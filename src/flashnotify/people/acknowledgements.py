"""Who has confirmed that they have read a notification, and who has not."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flashnotify.archive import people_ports
from flashnotify.archive.erasure_port import ERASED
from flashnotify.archive.people_records import Acknowledgement, AskedRecipient, Person
from flashnotify.archive.ports import Deliveries, Notifications
from flashnotify.archive.records import Delivery, Notification
from flashnotify.clock import Clock
from flashnotify.domain import USER
from flashnotify.errors import Conflict, NotFound
from flashnotify.people.placeholders import MissingValue
from flashnotify.people.wording import Words, words_for


@dataclass(frozen=True, slots=True)
class Asked:
    """A message that asks its recipient to acknowledge: by a reminder, the notification before."""

    delivery: Delivery
    notification: Notification
    recipient: str
    person: Person | None
    acknowledgement: Acknowledgement | None

    @property
    def about(self) -> UUID:
        """The notification that is acknowledged."""
        return about(self.notification)

    @property
    def locale(self) -> str:
        """The recipient's language."""
        own = self.person.locale if self.person is not None else None
        return own or self.notification.locale

    @property
    def words(self) -> Words:
        """The title and body that the recipient got."""
        try:
            return words_for(self.notification, self.locale, self.person)
        except MissingValue:
            # The directory has lost the value since.
            return Words(self.notification.title, self.notification.body)


@dataclass(frozen=True, slots=True)
class Acknowledgements:
    """Keeps acknowledgements: by link, or by a person who is signed in.

    `schemes` are those of the channels' addresses, and `read` returns the delivery of a link.
    """

    notifications: Notifications
    deliveries: Deliveries
    stored: people_ports.Acknowledgements
    directory: people_ports.Directory
    schemes: Mapping[str, str]
    clock: Clock
    read: Callable[[str], UUID | None]

    async def asked(self, token: str) -> Asked:
        """Return what a link asks.

        Raise `NotFound` if it is forged, its message was purged or its recipient erased.
        """
        id = self.read(token)
        delivery = await self.deliveries.find(id) if id is not None else None
        if delivery is None or delivery.address == ERASED:
            raise NotFound("This link is not valid any more.", code="unknown_link")
        found = await self.notifications.find(delivery.notification_id, audience=False)
        if found is None:
            raise NotFound("This link is not valid any more.", code="unknown_link")
        person = None
        if delivery.user_id is not None:
            person = (await self.directory.people([delivery.user_id])).get(delivery.user_id)
        recipient = self.recipient(delivery)
        known = await self.stored.among(about(found), [recipient])
        return Asked(delivery, found, recipient, person, known.get(recipient))

    async def acknowledge(self, asked: Asked) -> None:
        """Store that the recipient of a message acknowledges it; the first time counts."""
        if asked.acknowledgement is None:
            await self._add(asked.about, asked.recipient, asked.delivery.channel)

    async def acknowledge_as(self, id: UUID, user_id: UUID, channel: str) -> Acknowledgement:
        """Store that a person acknowledges a notification, and return when they first did.

        Raises:
            NotFound: there is no such notification to this person.
            Conflict: it does not ask for that.
        """
        found = await self.notifications.find(id, audience=False)
        if found is None or not await self.stored.asks(id, user_id):
            raise NotFound("No notification to you has this id.")
        require_asking(found)
        recipient = f"{USER}:{user_id}"
        known = await self.stored.among(about(found), [recipient])
        return known.get(recipient) or await self._add(about(found), recipient, channel)

    async def silent(self, id: UUID, after: UUID | None, limit: int) -> Sequence[AskedRecipient]:
        """Return recipients of a notification who have not acknowledged it, after a delivery."""
        return await self.stored.silent(id, self.schemes, after, limit)

    async def have_acknowledged(
        self, id: UUID, deliveries: Collection[Delivery]
    ) -> Collection[UUID]:
        """Return those of some deliveries whose recipients have acknowledged a notification."""
        recipients = {each.id: self.recipient(each) for each in deliveries}
        known = await self.stored.among(id, set(recipients.values()))
        return {id for id, recipient in recipients.items() if recipient in known}

    def recipient(self, delivery: Delivery) -> str:
        """Return the URI of a delivery's recipient."""
        if delivery.user_id is not None:
            return f"{USER}:{delivery.user_id}"
        return f"{self.schemes.get(delivery.channel, '')}:{delivery.address}"

    async def _add(self, id: UUID, recipient: str, channel: str) -> Acknowledgement:
        new = Acknowledgement(id, recipient, channel, self.clock.now())
        await self.stored.add(new)
        return new


def about(notification: Notification) -> UUID:
    """Return the notification that is acknowledged: by a reminder, the one before."""
    return notification.reminds_of or notification.id


def require_asking(notification: Notification) -> None:
    """Raise `Conflict` if a notification does not ask to be acknowledged."""
    if not notification.acknowledge:
        raise Conflict(
            "The notification did not ask for acknowledgements. Send it with `acknowledge`: true.",
            code="not_asked",
        )
