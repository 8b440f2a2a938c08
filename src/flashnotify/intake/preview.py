"""Previews an audience: whom it would reach now, on which channels, and who is left out why."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flashnotify.archive.people_records import Person
from flashnotify.archive.records import Notification
from flashnotify.channels.sms.segments import economical
from flashnotify.clock import Clock
from flashnotify.delivery.routing import Route
from flashnotify.domain import NotificationStatus, Priority
from flashnotify.intake.audience import Audience
from flashnotify.intake.resolution import Resolution
from flashnotify.meta.specs import NotifierSpec
from flashnotify.people.masked_addresses import masked

_SAMPLE = 10
_SMS = "sms"


@dataclass(eq=False, slots=True)
class Previewed:
    """The people and addresses that are reached, and how many messages go by channel.

    `left_out` counts people by the reason why they get nothing. `sample` has some who are reached:
    name, channels and masked addresses.
    """

    recipients: int = 0
    channels: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    sample: list[tuple[str, Sequence[str], Sequence[str]]] = field(default_factory=list)
    sms_segments: int | None = None


@dataclass(eq=False, slots=True)
class Preview:
    """Resolves audiences as a fan-out does, and stores nothing. An SMS has `max_segments`."""

    audience: Audience
    resolution: Resolution
    clock: Clock
    ids: Callable[[], UUID]
    max_segments: int

    async def of(
        self,
        kind: NotifierSpec,
        to: Sequence[Any],
        channels: Sequence[str] | None,
        priority: Priority,
        text: str | None,
    ) -> Previewed:
        """Return whom `to` reaches now. `text` is that of an SMS, whose segments are counted.

        Raise `InvalidInput` if entries of `to` are wrong.
        """
        checked = await self.audience.check(to, kind.schemes)
        entries = [*checked.addresses, *checked.people]
        notification = self._notification(kind, entries, channels, priority)
        found = Previewed()
        async for routes in self.resolution.routes(kind, notification):
            _count(found, routes)
        if text is not None:
            found.sms_segments = found.channels[_SMS] * economical(text, self.max_segments).segments
        return found

    def _notification(
        self, kind: NotifierSpec, to: Sequence[Any], channels: Sequence[str] | None, p: Priority
    ) -> Notification:
        now = self.clock.now()
        return Notification(
            *(self.ids(), kind.kind, "", "", {}, to, p, channels, "en", None, None, None, ""),
            *(NotificationStatus.queued, now, now),
        )


def _count(found: Previewed, routes: Sequence[Route]) -> None:
    """Count the routes of one recipient."""
    going = [route for route in routes if route.skipped is None]
    if not going:
        found.left_out[str(routes[0].skipped)] += 1
        return
    found.recipients += 1
    found.channels.update(route.channel for route in going)
    if len(found.sample) < _SAMPLE:
        person: Person | None = going[0].person
        names = [route.channel for route in going]
        shown = [masked(route.address.value) for route in going]
        found.sample.append((person.name if person else "", names, shown))
