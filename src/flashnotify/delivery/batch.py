"""A batch in flight: the value that the executor's steps pass on."""

from asyncio import Semaphore
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flashnotify.archive.people_records import Person
from flashnotify.archive.records import Delivery, Finish, Notification, Reschedule
from flashnotify.delivery.texts import Texts
from flashnotify.delivery.transports import OpenChannel
from flashnotify.domain import Device, Job, Message, Rendering
from flashnotify.meta import Notifier
from flashnotify.meta.specs import NotifierSpec

_FIRST_CONTACTS = 8


@dataclass(slots=True)
class Batch:
    """A batch in flight.

    `due` holds the deliveries that this run has yet to deal with, `waiting` those whose time has
    not come. `ended` collects deliveries that end without an attempt, `blocked` the messages that
    a breaker refused; their deliveries stay in `due`. `until` collects when the batch is due again.
    """

    job: Job
    notification: Notification
    kind: NotifierSpec | None
    channel: OpenChannel | None
    due: dict[UUID, Delivery]
    waiting: Sequence[Delivery]
    devices: Mapping[str, Device] = field(default_factory=dict)
    people: Mapping[UUID, Person] = field(default_factory=dict)
    ended: dict[Finish, list[Delivery]] = field(default_factory=dict)
    blocked: list[Message] = field(default_factory=list)
    until: list[Reschedule] = field(default_factory=list)
    # Set by the step "render".
    notifier: Notifier | None = None
    texts: Texts | None = None
    # Makes the link with which the recipient of a delivery acknowledges it.
    link: Callable[[UUID], str] | None = None
    # Makes the link with which a person unsubscribes, if they can.
    unsubscribe_link: Callable[[UUID], str] | None = None
    # What a batch may have under way to services that have not answered yet: some may hang.
    first_contacts: Semaphore = field(default_factory=lambda: Semaphore(_FIRST_CONTACTS))

    @property
    def urgent(self) -> bool:
        """Whether the batch may use what is reserved for urgent deliveries."""
        return self.job.priority.urgent

    @property
    def over(self) -> bool:
        """Whether nothing of the batch is left to deal with, now or later."""
        return not (self.due or self.waiting or self.ended or self.blocked or self.until)

    @property
    def open_channel(self) -> OpenChannel:
        """The channel of a batch that may be sent."""
        assert self.channel is not None
        return self.channel

    def end_all(self, end: Finish) -> None:
        """End every delivery without an attempt, whether it is due or not."""
        self.ended[end] = [*self.due.values(), *self.waiting]
        self.due, self.waiting = {}, ()

    def end(self, delivery: Delivery, end: Finish) -> None:
        """End a delivery without an attempt."""
        self.ended.setdefault(end, []).append(self.due.pop(delivery.id))

    def locale(self, delivery: Delivery) -> str:
        """Return the language of a recipient: the person's, or else the notification's."""
        person = self.people.get(delivery.user_id) if delivery.user_id is not None else None
        return person.locale if person and person.locale else self.notification.locale

    def message(self, delivery: Delivery) -> Message:
        """Return the message to one recipient.

        Raises:
            MissingValue: the person has no value for a placeholder without a default.
        """
        assert self.texts is not None
        if self.notification.personalised or self.notification.acknowledge:
            rendering, content = self._own_texts(self.texts, delivery)
        else:
            rendering, content = self.texts[self.locale(delivery)]
        unsubscribe = None
        if delivery.user_id is not None and self.unsubscribe_link is not None:
            unsubscribe = self.unsubscribe_link(delivery.user_id)
        return Message(
            delivery_id=delivery.id,
            to=delivery.address,
            rendering=rendering,
            content=content,
            accepted_at=self.notification.accepted_at,
            priority=self.job.priority,
            expires_at=self.notification.expires_at,
            device=self.devices.get(delivery.address),
            unsubscribe=unsubscribe,
        )

    def _own_texts(self, texts: Texts, delivery: Delivery) -> tuple[Rendering, Any]:
        """Return the texts with what belongs to one recipient: their values, their link."""
        locale, person = self.locale(delivery), None
        if self.notification.personalised and delivery.user_id is not None:
            # One who was removed since has no values.
            person = self.people.get(delivery.user_id) or Person(delivery.user_id, "")
        link = self.link(delivery.id) if self.notification.acknowledge and self.link else None
        return texts.of_one(locale, person, link) if person or link else texts[locale]
