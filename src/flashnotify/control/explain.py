"""Explains why a person did or did not get a notification, from what the archive knows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from flashnotify.archive.explanation_ports import Explanations, Suspension, Trace
from flashnotify.archive.people_ports import Directory
from flashnotify.archive.people_records import Person
from flashnotify.archive.ports import Archive
from flashnotify.archive.records import Attempt, DeliveryFilter, ListedDelivery, Notification
from flashnotify.control.delivery_steps import steps_of
from flashnotify.control.explanation import Code, Explanation, Step
from flashnotify.domain import NotificationStatus, Priority, names_user
from flashnotify.errors import NotFound
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec

# Deliveries of a notification to one person: on each channel, one for each address or device.
_MOST = 200


@dataclass(frozen=True, slots=True)
class Known:
    """What the archive knows of a notification and a person."""

    notification: Notification
    person: Person
    deliveries: list[ListedDelivery]
    attempts: Mapping[UUID, Mapping[int, Attempt]]
    trace: Trace
    suspended: Mapping[str, Suspension]


@dataclass(frozen=True, slots=True)
class Explain:
    """Explains deliveries to people."""

    archive: Archive
    directory: Directory
    explanations: Explanations
    kinds: Registry[NotifierSpec]

    async def explain(self, notification: Notification, user_id: UUID) -> Explanation:
        """Return why a person got a notification, which comes with its audience, or did not.

        Raises:
            NotFound: the person does not exist (any more).
        """
        known = await self._known(notification, user_id)
        steps = [Step(Code.accepted, "The notification was accepted.", notification.accepted_at)]
        if reached := bool(known.deliveries) or known.trace.digest_due is not None:
            steps.append(Step(Code.in_audience, "The person is in its audience."))
        else:
            steps += await self._unreached(known)
        if known.trace.digest_due is not None:
            text = "It waits for the person's next digest."
            steps.append(Step(Code.digest, text, known.trace.digest_due))
        for delivery in known.deliveries:
            attempts = known.attempts[delivery.id].values()
            last = next((attempt.answer for attempt in attempts), None)
            read_at = known.trace.read.get(delivery.id)
            steps += steps_of(delivery, last, read_at, known.suspended.get(delivery.channel))
        if reached:
            steps += self._unused_channels(known)
        if known.trace.acknowledged is not None:
            text = "The person acknowledged it."
            steps.append(Step(Code.acknowledged, text, known.trace.acknowledged))
        return Explanation(notification.id, user_id, tuple(steps))

    async def _known(self, notification: Notification, user_id: UUID) -> Known:
        person = (await self.directory.people([user_id])).get(user_id)
        if person is None:
            raise NotFound("No person has this id.")
        wanted = DeliveryFilter(notification.id, user=user_id)
        page = await self.archive.deliveries.page(wanted, limit=_MOST, cursor=None)
        deliveries = sorted(page.items, key=lambda delivery: delivery.id)
        ids = [delivery.id for delivery in deliveries]
        attempts = await self.archive.deliveries.attempts(ids, latest=1)
        trace = await self.explanations.trace(notification.id, user_id, ids)
        kind = self.kinds.get(notification.kind)
        channels = kind.channels.items() if kind is not None else ()
        found = [(name, a) for name, c in channels for a in person.addresses(c.scheme)]
        suspended = await self.explanations.suspensions(found)
        by_channel = {each.channel: each for each in suspended}
        return Known(notification, person, deliveries, attempts, trace, by_channel)

    async def _unreached(self, known: Known) -> Iterator[Step]:
        """Return why there is no delivery to a person."""
        notification, person = known.notification, known.person
        belongs = await self.explanations.membership(person.id, notification.audience)
        named = any(names_user(e) and str(person.id) in str(e) for e in notification.audience)
        return iter([_unreached(known, belongs.inside or named, belongs.excluded, belongs.since)])

    def _unused_channels(self, known: Known) -> Iterator[Step]:
        """Yield why channels of the kind, or of the request, were not used."""
        notification, used = known.notification, {d.channel for d in known.deliveries}
        kind, requested = self.kinds.get(notification.kind), notification.channels
        offered = kind.channels if kind is not None else {}
        for name in sorted(set(requested or ()) - offered.keys() - used):
            text = f"{_name(name)} is not a channel of this kind."
            yield Step(Code.channel_not_offered, text, channel=name)
        for name, channel in offered.items():
            if name not in used:
                has_address = bool(known.person.addresses(channel.scheme))
                yield _unused(known, name, has_address)


def _unreached(known: Known, inside: bool, excluded: bool, since: int | None) -> Step:
    notification = known.notification
    status = notification.status
    if not inside:
        if excluded:
            return Step(Code.excluded, "The audience leaves the person out by `not`.")
        return Step(Code.not_in_audience, "The person is in none of the groups of the audience.")
    if status is NotificationStatus.scheduled:
        return Step(Code.scheduled, "It is scheduled for later.", notification.send_at)
    if status is NotificationStatus.cancelled:
        return Step(Code.cancelled, "It was cancelled.", notification.updated_at)
    if status is NotificationStatus.queued or known.trace.fanning_out:
        return Step(Code.not_fanned_out, "Its audience is not resolved yet.")
    if not known.person.active:
        return Step(Code.inactive, "The person is deactivated.")
    if since is not None and since > notification.accepted_at:
        text = "The person joined a group of the audience after it was resolved."
        return Step(Code.joined_later, text, since)
    return Step(
        Code.no_trace,
        "The person is in the audience now, and was not when it was resolved, as far as is known.",
    )


def _unused(known: Known, name: str, has_address: bool) -> Step:
    """Return why a channel of the kind was not used for a person who was reached."""
    requested = known.notification.channels
    critical = known.notification.priority is Priority.critical
    if requested is not None and name not in requested:
        text = f"{_name(name)} was not requested."
        return Step(Code.channel_not_requested, text, channel=name)
    if not has_address:
        text = f"The person has no address for {name}."
        return Step(Code.no_address, text, channel=name)
    if (suspended := known.suspended.get(name)) is not None and not critical:
        text = f"The person's address is suspended: {suspended.reason}"
        return Step(Code.address_suspended, text, suspended.at, name)
    text = f"{_name(name)} is not among the channels that the person gets this kind on."
    return Step(Code.not_preferred, text, channel=name)


def _name(channel: str) -> str:
    """Return the name of a channel, as a sentence begins with it."""
    return {"sms": "SMS", "in_app": "The inbox"}.get(channel, channel.capitalize())
