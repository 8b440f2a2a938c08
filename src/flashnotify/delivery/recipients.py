"""Whom a notification reaches: its addresses, then the people that it names, then its groups."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from flashnotify.archive.people_ports import Directory
from flashnotify.archive.people_records import Person
from flashnotify.archive.records import Notification
from flashnotify.domain import GROUP, USER, Address, AudienceEntry, names_group, names_user
from flashnotify.people.acknowledgements import Acknowledgements

# Recipients fanned out in one commit, with the progress, so that a crash repeats nothing.
_SLICE = 400

_USER, _GROUP = f"{USER}:", f"{GROUP}:"

Recipient: TypeAlias = Address | Person


@dataclass(eq=False, slots=True)
class Slice:
    """Some recipients of a notification, and how far its audience is fanned out with them.

    `upto` is the number of addresses and people done, `last_person` the last one in its groups.
    `more` is how many recipients these are beyond those that were counted when it was accepted.
    """

    recipients: Sequence[Recipient]
    upto: int
    last_person: UUID | None = None
    more: int = 0
    finished: bool = False


def addresses_of(notification: Notification) -> Slice | None:
    """Return all recipients of a notification; None if it names anybody in the directory."""
    if notification.reminds_of is not None:
        return None
    last = notification.audience[-1]
    if type(last) is not str or last[:5] == _USER or last[:6] == _GROUP:
        return None
    found = [Address.parse(str(entry)) for entry in notification.audience]
    return Slice(found, len(found), finished=True)


@dataclass(frozen=True, slots=True)
class Recipients:
    """Resolves audiences, slice by slice. A person gets a notification once.

    An address of a person whom the audience names too is left out: that person is reached.
    """

    directory: Directory
    acknowledgements: Acknowledgements | None = None

    async def slices(self, notification: Notification) -> AsyncIterator[Slice]:
        """Yield the recipients of a notification that are not fanned out yet."""
        if notification.reminds_of is not None:
            async for reminded in self._silent(notification.reminds_of, notification.last_person):
                yield reminded
            return
        named = [str(entry) for entry in notification.audience if not names_group(entry)]
        groups = [entry for entry in notification.audience if names_group(entry)]
        for start in range(notification.fanned_out, len(named), _SLICE):
            some = named[start : start + _SLICE]
            found = await self._named(some, [e for e in notification.audience if _is_people(e)])
            upto = start + len(some)
            finished = upto == len(named) and not groups
            yield Slice(found, upto, None, len(found) - len(some), finished)
        if not groups:
            return
        ids = {UUID(entry.partition(":")[2]) for entry in named if names_user(entry)}
        async for found, last, finished in self._grouped(groups, ids, notification.last_person):
            yield Slice(found, len(named), last, len(found), finished)

    async def _silent(self, id: UUID, last: UUID | None) -> AsyncIterator[Slice]:
        """Yield who is silent about a notification, by their first deliveries, after `last`."""
        assert self.acknowledgements is not None
        finished = False
        while not finished:
            asked = await self.acknowledgements.silent(id, last, _SLICE)
            ids = [each.user_id for each in asked if each.user_id is not None]
            known = await self.directory.people(ids) if ids else {}
            found: list[Recipient] = [
                Address.parse(each.recipient)
                if each.user_id is None
                else known.get(each.user_id) or Person(each.user_id, "", active=False)
                for each in asked
            ]
            last = asked[-1].id if asked else last
            finished = len(asked) < _SLICE
            yield Slice(found, 0, last, len(found), finished)

    async def _named(
        self, entries: Sequence[str], people: Sequence[AudienceEntry]
    ) -> Sequence[Recipient]:
        """Return the addresses and people of some entries, without addresses of `people`."""
        addresses = [Address.parse(entry) for entry in entries]
        ids = [UUID(address.value) for address in addresses if names_user(str(address))]
        known = await self.directory.people(ids) if ids else {}
        reached: Collection[Address] = ()
        if people:
            reached = await self.directory.reached_by(people, addresses)
        found: list[Recipient] = [a for a in addresses if not names_user(str(a))]
        found = [address for address in found if address not in reached]
        # One who was removed since leaves a trace, too.
        return found + [known.get(id) or Person(id, "", active=False) for id in ids]

    async def _grouped(
        self, groups: Sequence[AudienceEntry], named: Collection[UUID], last: UUID | None
    ) -> AsyncIterator[tuple[Sequence[Person], UUID | None, bool]]:
        """Yield people in groups who are not `named`, after `last`, in the order of their ids."""
        finished = False
        while not finished:
            people = await self.directory.audience(groups, last, _SLICE)
            last = people[-1].id if people else last
            finished = len(people) < _SLICE
            yield [person for person in people if person.id not in named], last, finished


def _is_people(entry: AudienceEntry) -> bool:
    return names_group(entry) or names_user(entry)
