"""How people want to be notified: shown with what holds otherwise, checked, changed."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flashnotify.archive.people_ports import Directory, PreferencesOfPeople
from flashnotify.archive.people_records import Person
from flashnotify.archive.people_records import Preferences as Chosen
from flashnotify.clock import Clock
from flashnotify.domain import milliseconds, moment
from flashnotify.errors import FieldError, InvalidInput, NotFound
from flashnotify.identity.audit import Actor, Audit
from flashnotify.meta.specs import NotifierSpec
from flashnotify.meta.suggestions import did_you_mean
from flashnotify.one_at_a_time import OneAtATime
from flashnotify.people.local_time import next_digest, zone_of

# The channels that are wanted, by kind; None stands for the kind's defaults.
Channels = Mapping[str, Sequence[str] | None]


@dataclass(eq=False, slots=True)
class Preferences:
    """Shows and changes what people chose, one change at a time. `zone` is the campus's.

    `on_digest` is called when what waits for somebody's digest may be due.
    """

    stored: PreferencesOfPeople
    directory: Directory
    kinds: Mapping[str, NotifierSpec]
    audit: Audit
    clock: Clock
    zone: ZoneInfo
    on_digest: Callable[[], None] = lambda: None
    _changes: OneAtATime = field(default_factory=OneAtATime, init=False)

    async def of(self, id: UUID) -> Person:
        """Return a person, with their preferences. Raise `NotFound` if there is none."""
        found = await self.directory.people([id])
        if id not in found:
            raise NotFound("No user has this id. List them: flashnotify users list")
        return found[id]

    def zone_of(self, person: Person) -> ZoneInfo:
        """Return the time zone in which a person's quiet hours and digests are."""
        return zone_of(person.timezone, self.zone)

    async def change(
        self,
        actor: Actor,
        id: UUID,
        kinds: Channels,
        fields: Mapping[str, Any],
        *,
        whole: bool = False,
    ) -> Person:
        """Change channels of some `kinds` and other `fields`; if `whole`, the rest gets defaults.

        Raises:
            NotFound: there is no such person.
            InvalidInput: a kind is unknown, does not offer a channel, or is mandatory.
        """
        if errors := [*self._errors(kinds)]:
            raise InvalidInput(errors)

        def changed(before: Chosen) -> Chosen:
            kept = Chosen() if whole else before
            chosen = {**kept.kinds, **kinds}
            wanted = {kind: frozenset(c) for kind, c in chosen.items() if c is not None}
            return replace(kept, kinds=wanted, **fields)

        change = self._change(actor, "preferences.changed", id, changed)
        return await self._changes.run(change)

    async def unsubscribe(self, actor: Actor, id: UUID, kind: str, channel: str) -> None:
        """Take a channel from those on which a person gets a kind.

        Raise `NotFound` if there is no such person, or the kind has no such channel or is
        mandatory.
        """
        spec = self.kinds.get(kind)
        if spec is None or spec.mandatory or channel not in spec.channels:
            raise NotFound("There is nothing to unsubscribe from.")

        def without(before: Chosen) -> Chosen:
            channels = before.kinds.get(kind, spec.default_channels) - {channel}
            return replace(before, kinds={**before.kinds, kind: channels})

        await self._changes.run(self._change(actor, "preferences.unsubscribed", id, without))

    async def _change(
        self, actor: Actor, action: str, id: UUID, changed: Callable[[Chosen], Chosen]
    ) -> Person:
        person = await self.of(id)
        wanted = changed(person.preferences)
        if wanted != person.preferences:
            await self._store(actor, action, person, wanted)
        return replace(person, preferences=wanted)

    async def _store(self, actor: Actor, action: str, person: Person, wanted: Chosen) -> None:
        before, now = person.preferences, self.clock.now()
        names = [n for n in ("kinds", "quiet_hours", "digest") if _differ(n, before, wanted)]
        digest_due = self._digest_due(person, wanted, now) if "digest" in names else None
        write = partial(self.stored.store, person.id, wanted, now, digest_due)
        details = {"fields": names}
        await self.audit.record(actor, action, f"user:{person.id}", details, write)
        if digest_due is not None:
            self.on_digest()

    def _digest_due(self, person: Person, wanted: Chosen, now: int) -> int:
        """Return when what waits for a digest is due: at once, if none is wanted any more."""
        if wanted.digest is None:
            return now
        return milliseconds(next_digest(wanted.digest, self.zone_of(person), moment(now)))

    def _errors(self, kinds: Channels) -> Iterator[FieldError]:
        for name, channels in kinds.items():
            kind = self.kinds.get(name)
            if kind is None:
                expected = f"expected one of {', '.join(self.kinds)}"
                hint = did_you_mean(name, self.kinds)
                text = f"unknown kind; {expected}{hint}"
                yield FieldError.at(("kinds", name), "unknown_kind", text)
            elif channels is not None:
                yield from _channel_errors(kind, channels)


def _channel_errors(kind: NotifierSpec, channels: Collection[str]) -> Iterator[FieldError]:
    if kind.mandatory and not channels:
        text = f"nobody can opt out of {kind.kind} notifications; choose a channel, or null"
        yield FieldError.at(("kinds", kind.kind), "mandatory_kind", text)
    for index, channel in enumerate(channels):
        if channel not in kind.channels:
            hint = did_you_mean(channel, kind.channels)
            text = f"not offered by {kind.kind}; expected one of {', '.join(kind.channels)}{hint}"
            yield FieldError.at(("kinds", kind.kind, index), "channel_not_offered", text)


def _differ(name: str, before: Chosen, after: Chosen) -> bool:
    return bool(getattr(before, name) != getattr(after, name))
