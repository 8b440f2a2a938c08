"""Sends people their digests: one message that lists what came since the last one."""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import structlog

from flashnotify.archive.people_ports import Digests as Stored
from flashnotify.archive.people_ports import Directory
from flashnotify.archive.people_records import DigestEntry, Person
from flashnotify.archive.ports import Archive
from flashnotify.archive.records import FanOutSlice, Notification
from flashnotify.clock import Clock
from flashnotify.delivery.planner import Planner
from flashnotify.delivery.recipients import Slice
from flashnotify.domain import USER, Job, NotificationStatus, Priority
from flashnotify.errors import Unavailable, WriteRefused, stack_of
from flashnotify.meta.specs import NotifierSpec
from flashnotify.people.placeholders import MissingValue
from flashnotify.people.wording import words_for

log = structlog.get_logger(__name__)

# Who such a notification is filed under.
SENDER = "digest"
# Digests come at full minutes (ms), and a failure is tried again after some seconds.
_MINUTE, _RETRY = 60_000, 5.0
# Digests that are written in one go, the entries of each, and the characters of an entry.
_SLICE, _ENTRIES, _LINE = 50, 50, 200
_LINK = re.compile(r"https?://[^\s<>\"«»()]+")


@dataclass(eq=False, slots=True)
class Digests:
    """Accepts a notification of an internal `kind` for each digest that is due.

    It is stored in the commit that removes the entries that it lists: after a crash, it comes
    neither twice nor never. Entries of what was cancelled or has expired are left out.
    """

    archive: Archive
    stored: Stored
    directory: Directory
    planner: Planner
    kind: NotifierSpec
    clock: Clock
    ids: Callable[[], UUID]
    locale: str
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def wake_up(self) -> None:
        """Look at once for what is due."""
        self._wake.set()

    async def run(self) -> None:
        """Send what is due, at each full minute, for ever. A failure ends nothing."""
        while True:
            self._wake.clear()
            # Taken before the reads, during which a minute may pass.
            following = (self.clock.now() // _MINUTE + 1) * _MINUTE
            try:
                await self.send_due()
                pause = max(following - self.clock.now(), 0) / 1000
            except Unavailable as error:
                log.warning("digests.wait", reason=str(error))
                pause = error.retry_after
            except Exception as error:  # noqa: BLE001  # a failed read must not end the service
                log.error("digests.failed", error=type(error).__name__, stack=stack_of(error))
                pause = _RETRY
            await self.clock.wait(self._wake, pause)

    async def send_due(self) -> None:
        """Send all digests that are due now, in slices, behind what is urgent."""
        now = self.clock.now()
        after: DigestEntry | None = None
        while due := await self.stored.due(now, after, _SLICE):
            after = due[-1]
            users = {entry.user_id for entry in due}
            people = await self.directory.people(users)
            waiting = await self.stored.waiting(users, now, _ENTRIES)
            await self.archive.room()
            sending = (self._send(id, people.get(id), found) for id, found in waiting.items())
            await asyncio.gather(*sending)

    async def _send(self, id: UUID, person: Person | None, found: Sequence[Notification]) -> None:
        """Send a digest of what waits, and remove it; only remove it if nobody is to get it."""
        entries = [DigestEntry(id, each.id) for each in found]
        items: list[str] = []
        if person is not None and person.active:
            items = [*self._items(person, found)]
        if person is None or not items:
            await self.stored.remove(entries)
            return
        notification = self._notification(person, items)
        work = self._work(person, notification)
        try:
            await self.archive.notifications.accept(notification, work, None, digested=entries)
        except WriteRefused as error:
            log.error("digest.refused", user=str(id), error=str(error))
        else:
            self.planner.queue(work)

    def _items(self, person: Person, found: Sequence[Notification]) -> Iterator[str]:
        """Yield what a digest says of each notification: its title, first line and first link."""
        now = self.clock.now()
        for each in found:
            expired = each.expires_at is not None and each.expires_at <= now
            if expired or each.status in (NotificationStatus.cancelled, NotificationStatus.expired):
                continue
            try:
                title, body = words_for(each, person.locale or each.locale, person)
            except MissingValue:
                continue
            line = body.strip().partition("\n")[0].strip()
            link = _LINK.search(body)
            shown = [f"• {title}", line[:_LINE] + "…" * (len(line) > _LINE)]
            if link is not None and link[0] not in shown[1]:
                shown.append(link[0])
            yield "\n".join(shown)

    def _notification(self, person: Person, items: Sequence[str]) -> Notification:
        now, many = self.clock.now(), "s" * (len(items) > 1)
        channels = self.kind.channels.values()
        reaching = (c.name for c in channels if person.addresses(c.scheme))
        first = next(reaching, None)
        return Notification(
            id=self.ids(),
            kind=self.kind.kind,
            # The same in English and in French; the templates have the other words.
            title=f"{len(items)} notification{many}",
            body="\n\n".join(items),
            data={},
            audience=[f"{USER}:{person.id}"],
            recipients=1,
            priority=Priority.low,
            channels=None if first is None else [first],
            locale=person.locale or self.locale,
            send_at=None,
            expires_at=None,
            reference=None,
            sender=SENDER,
            status=NotificationStatus.queued,
            accepted_at=now,
            updated_at=now,
        )

    def _work(self, person: Person, notification: Notification) -> FanOutSlice:
        """Return the delivery of a digest, which does not wait for a digest itself."""
        job = Job(self.ids(), notification.id, notification.priority)
        reached = replace(person, preferences=replace(person.preferences, digest=None))
        return self.planner.plan(job, notification, Slice([reached], 1, finished=True), {})
