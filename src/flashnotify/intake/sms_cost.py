"""What the SMS of a notification cost, and who pays for them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID
from zoneinfo import ZoneInfo

from flashnotify.archive.people_records import Person
from flashnotify.archive.records import Notification
from flashnotify.delivery.digesting import digested
from flashnotify.delivery.rendering import Renderer
from flashnotify.delivery.routing import Route
from flashnotify.delivery.texts import Texts
from flashnotify.delivery.transports import OpenChannel
from flashnotify.domain import Priority
from flashnotify.errors import FieldError
from flashnotify.identity.principal import Principal
from flashnotify.identity.roles import user_id
from flashnotify.intake.resolution import Resolution
from flashnotify.meta.specs import NotifierSpec
from flashnotify.people.placeholders import MissingValue
from flashnotify.people.sms_credit import Charge, SmsCredit


@dataclass(eq=False, slots=True)
class Cost:
    """SMS, and their segments. Those of texts that were rendered already are `known`."""

    segments: int = 0
    messages: int = 0
    known: dict[tuple[str, UUID | None], int] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class SmsCosts:
    """Counts the SMS that a fan-out would send now, and charges them to a cost centre.

    `link` makes the links with which they are acknowledged. `zone` is the campus's.
    """

    resolution: Resolution
    renderer: Renderer
    channel: OpenChannel | None
    link: Callable[[UUID], str]
    credit: SmsCredit
    zone: ZoneInfo

    async def charge(
        self, caller: Principal, kind: NotifierSpec, notification: Notification
    ) -> Charge | None:
        """Charge a notification to its sender's cost centre. None if that is none, or nothing.

        Raise `NotPermitted` if it would go over the credit.
        """
        channel, wanted = self.channel, notification.channels
        name = channel.spec.name if channel is not None else ""
        if channel is None or name not in kind.channels or (wanted and name not in wanted):
            return None
        stored, id = self.credit.stored, caller.cost_centre
        if id is None and (user := user_id(caller)) is not None:
            id = await stored.of_user(user)
        centre = await stored.find(id) if id is not None else None
        if centre is None:
            return None
        cost = await self._cost(channel, kind, notification)
        if not cost.messages:
            return None
        critical = notification.priority is Priority.critical
        return await self.credit.take(
            centre, kind.kind, cost.segments, cost.messages, critical=critical
        )

    async def _cost(
        self, channel: OpenChannel, kind: NotifierSpec, notification: Notification
    ) -> Cost:
        notifier = self.renderer.notifier(notification)
        texts = Texts(self.renderer, notification, notifier, channel)
        cost, now = Cost(), notification.accepted_at
        async for routes in self.resolution.routes(kind, notification):
            for route in routes:
                if route.skipped is not None or route.channel != channel.spec.name:
                    continue
                if route.person is None or not digested(route, notification, self.zone, now):
                    await self._add(cost, texts, route, notification)
        return cost

    async def _add(
        self, cost: Cost, texts: Texts, route: Route, notification: Notification
    ) -> None:
        person = route.person
        locale = person.locale if person and person.locale else notification.locale
        own = person if notification.personalised else None
        key = (locale, own.id if own else None)
        if key not in cost.known:
            # To render one takes a millisecond.
            await asyncio.sleep(0)
            link = self.link(notification.id) if notification.acknowledge else None
            cost.known[key] = _segments(texts, locale, own, link)
        if segments := cost.known[key]:
            cost.segments += segments
            cost.messages += 1


def over_credit(charge: Charge | None) -> Sequence[FieldError]:
    """Return a warning if a notification goes over the credit and is sent all the same."""
    if charge is None or charge.over is None:
        return ()
    return [FieldError("/priority", charge.over.code, str(charge.over))]


def _segments(texts: Texts, locale: str, person: Person | None, link: str | None) -> int:
    """Return the segments of one SMS; 0 if it cannot be sent, for want of a value."""
    try:
        _, content = texts.of_one(locale, person, link)
    except MissingValue:
        return 0
    segments: int = content.segments
    return segments
