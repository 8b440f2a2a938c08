"""What an import changes: lines of a file beside what the archive holds of these people."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import UUID

from flashnotify.archive import people_ports
from flashnotify.archive.identity_records import User
from flashnotify.archive.people_records import Group, Membership, MembershipSource, PeopleSlice
from flashnotify.domain import Role
from flashnotify.errors import FieldError
from flashnotify.identity.audit import Fact
from flashnotify.identity.users import MAX_ATTRIBUTES, details_of, ending_sessions
from flashnotify.people.import_columns import Columns, Line, mistake
from flashnotify.time_slices import TimeSlices


class Options(NamedTuple):
    """How to import.

    With `roles`, the file says what people may do. A `trusted` import may change those who may do
    more than look.
    """

    dry_run: bool = False
    skip_bad: bool = False
    deactivate_missing: bool = False
    create_groups: bool = False
    roles: bool = False
    trusted: bool = False


@dataclass(slots=True)
class Planned:
    """Changes of some people that are stored together, with what the audit log has of them."""

    groups: list[Group] = field(default_factory=list)
    added: list[User] = field(default_factory=list)
    changed: list[User] = field(default_factory=list)
    joined: list[Membership] = field(default_factory=list)
    left: list[tuple[UUID, UUID]] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    bad: list[FieldError] = field(default_factory=list)
    unchanged: set[int] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def changes(self) -> PeopleSlice:
        """What to store."""
        return PeopleSlice(self.groups, self.added, self.changed, self.joined, self.left)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store."""
        return not (self.groups or self.added or self.changed or self.joined or self.left)


class _Known(NamedTuple):
    """What the archive holds of the people of some lines."""

    by_key: Mapping[str | None, User]
    by_email: Mapping[str, User]
    memberships: Mapping[UUID, Mapping[UUID, MembershipSource]]


@dataclass(eq=False, slots=True)
class Planner:
    """Plans the changes of one import, which happens `at` (ms since the epoch)."""

    columns: Columns
    options: Options
    stored: people_ports.Imports
    directory: people_ports.Directory
    ids: Callable[[], UUID]
    slices: TimeSlices
    at: int
    # By slug, those that were looked up; None: there is none.
    _groups: dict[str, Group | None] = field(default_factory=dict, init=False)

    async def plan(self, lines: Sequence[Line]) -> Planned:
        """Return the changes that lines ask for."""
        planned = Planned()
        await self._find_groups(lines, planned)
        known = await self._known(lines)
        for line in lines:
            await self.slices.step()
            self._plan(line, known, planned)
        return planned

    def deactivation(self, users: Sequence[User]) -> Planned:
        """Return the changes that deactivate users who are missing, but those who are protected."""
        planned = Planned()
        for user in users:
            if user.role is Role.admin or not (self.options.trusted or user.role is Role.member):
                planned.counts["kept"] += 1
                continue
            self._change(user, replace(user, active=False), planned)
            planned.counts["deactivated"] += 1
        return planned

    async def _known(self, lines: Sequence[Line]) -> _Known:
        names, email = self.columns.names, "email"
        place = names.index(email) if email in names else None
        emails = [] if place is None else [line.values[place] for line in lines]
        users = await self.stored.matching(
            [line.key for line in lines], [email for email in emails if email]
        )
        named = [user.id for user in users] if "groups" in names else []
        return _Known(
            {user.external_id: user for user in users},
            {user.email.lower(): user for user in users if user.email},
            await self.stored.memberships(named),
        )

    async def _find_groups(self, lines: Sequence[Line], planned: Planned) -> None:
        named = {slug for line in lines for slug in self.columns.groups(line) or ()}
        unknown = named - self._groups.keys()
        if not unknown:
            return
        found = await self.directory.groups(unknown)
        for slug in sorted(unknown):
            group = found.get(slug)
            if group is None and self.options.create_groups:
                group = Group(self.ids(), slug, slug, self.at)
                planned.groups.append(group)
                planned.facts.append(Fact("group.created", f"group:{group.id}", {"slug": slug}))
                planned.counts["groups_created"] += 1
            self._groups[slug] = group

    def _plan(self, line: Line, known: _Known, planned: Planned) -> None:
        before, fields = known.by_key.get(line.key), self.columns.fields(line)
        attributes = {**(before.attributes if before else {}), **fields["attributes"]}
        fields["attributes"] = {k: v for k, v in attributes.items() if v is not None}
        after = self._after(before, fields)
        bad = self._mistake(line, before, after, known)
        if bad is not None:
            planned.bad.append(bad)
            return
        moved = self._regroup(line, after, known, planned)
        if before is None:
            planned.counts["created"] += 1
            planned.added.append(after)
            if after.role is not Role.member:
                details = {"fields": sorted(fields), "role": after.role, "kinds": []}
                planned.facts.append(Fact("user.created", f"user:{after.id}", details))
        elif after != before or moved:
            planned.counts["changed"] += 1
            if after != before:
                self._change(before, after, planned)
        else:
            planned.unchanged.add(line.number)
            planned.counts["unchanged"] += 1

    def _after(self, before: User | None, fields: dict[str, Any]) -> User:
        if before is None:
            values = {"role": Role.member, **fields, "created_at": self.at}
            return User(self.ids(), credentials_changed_at=self.at, imported_at=self.at, **values)
        return replace(before, **fields, imported_at=before.imported_at or self.at)

    def _change(self, before: User, after: User, planned: Planned) -> None:
        planned.changed.append(ending_sessions(before, after, self.at))
        changed = [n for n in ("role", "active") if getattr(before, n) != getattr(after, n)]
        if changed:
            action = "user.changed" if "role" in changed else "user.deactivated"
            if changed == ["active"] and after.active:
                action = "user.activated"
            details = details_of(changed, before, after)
            planned.facts.append(Fact(action, f"user:{after.id}", details))

    def _mistake(
        self, line: Line, before: User | None, after: User, known: _Known
    ) -> FieldError | None:
        """Return why a line cannot be imported as it is."""
        number, stands = line.number, before.role if before else Role.member
        owner = known.by_email.get(after.email.lower()) if after.email else None
        if owner is not None and owner.id != after.id:
            return mistake(number, "email", "already_taken", f"belongs to the user {owner.id}")
        for slug in self.columns.groups(line) or ():
            if self._groups[slug] is None:
                detail = f"there is no group {slug}: create it, or import with create_groups=true"
                return mistake(number, "groups", "unknown_group", detail)
        if after.role is not stands and not self.options.roles:
            detail = f"this person is a {stands}: an admin changes roles, with roles=true"
            return mistake(number, "role", "role_not_allowed", detail)
        if stands is Role.admin and not (after.active and after.role is Role.admin):
            detail = "an import never deactivates an admin: do it by hand"
            return mistake(number, "active", "admin_protected", detail)
        trusted = self.options.trusted or stands is Role.member
        if not trusted and after != before:
            detail = f"this person is a {stands}: only an admin changes them"
            return mistake(number, "", "protected", detail)
        if _too_long(after):
            detail = f"the attributes have more than {MAX_ATTRIBUTES} bytes as JSON"
            return mistake(number, "", "too_long", detail)
        return None

    def _regroup(self, line: Line, user: User, known: _Known, planned: Planned) -> bool:
        """Plan who joins and leaves groups: only an import's own memberships end."""
        slugs = self.columns.groups(line)
        if slugs is None:
            return False
        found = (self._groups[slug] for slug in slugs)
        wanted = {group.id for group in found if group is not None}
        has = known.memberships.get(user.id, {})
        source = MembershipSource.imported
        joins = [Membership(id, user.id, source, self.at) for id in wanted - has.keys()]
        left = [(id, user.id) for id, of in has.items() if of is source and id not in wanted]
        planned.joined += joins
        planned.left += left
        return bool(joins or left)


def _too_long(user: User) -> bool:
    # As JSON, at most four bytes for a character.
    if len(repr(user.attributes)) * 4 <= MAX_ATTRIBUTES:
        return False
    return len(json.dumps(user.attributes, ensure_ascii=False).encode()) > MAX_ATTRIBUTES
