"""Audiences, as stored and as conditions on people."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy import not_ as negated

from flashnotify.archive.identity_models import User
from flashnotify.archive.people_models import Membership
from flashnotify.archive.people_records import Group
from flashnotify.archive.sql.group_rules import matching_rule
from flashnotify.domain import (
    GROUP,
    USER,
    Address,
    AudienceEntry,
    Combination,
    names_group,
    names_user,
)

_PARTS = ("all", "any", "none")


def entries(text: str) -> list[AudienceEntry]:
    """Return the entries of a stored audience. Raise `ValueError` if it cannot be read."""
    values = json.loads(text)
    if not isinstance(values, list):
        raise ValueError("not an array")
    return [_entry(value) for value in values]


def _entry(value: object) -> AudienceEntry:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict) or value.keys() != set(_PARTS):
        raise ValueError("not an entry of an audience")
    return Combination(*(tuple(map(_entry, value[part])) for part in _PARTS))


def slugs_in(found: Sequence[AudienceEntry]) -> set[str]:
    """Return the slugs of the groups that entries name, at any depth."""
    slugs: set[str] = set()
    for entry in found:
        if isinstance(entry, Combination):
            slugs |= slugs_in([*entry.all, *entry.any, *entry.none])
        elif entry.startswith(f"{GROUP}:"):
            slugs.add(Address.parse(entry).value)
    return slugs


class People:
    """Makes conditions on people of entries.

    `groups`: each with all groups below it, by slug. `members`: how many people are in them all,
    if they are few.
    """

    def __init__(self, groups: Mapping[str, Sequence[Group]], members: int | None) -> None:
        self._groups = groups
        self._members = members

    @property
    def group_ids(self) -> Collection[UUID]:
        """The ids of the groups."""
        return {group.id for closure in self._groups.values() for group in closure}

    def candidates(self, found: Sequence[AudienceEntry]) -> ColumnElement[bool] | None:
        """Return whether a person is in any of the entries, as a short list of ids to look up.

        None if the list is not short, or some people are there by a rule.
        """
        groups = [group for slug in slugs_in(found) for group in self._groups.get(slug, ())]
        named = all(isinstance(entry, str) and entry.startswith(f"{GROUP}:") for entry in found)
        if not named or self._members is None or any(group.rule is not None for group in groups):
            return None
        members = select(Membership.user_id)
        return User.id.in_(members.where(Membership.group_id.in_([group.id for group in groups])))

    def topics(self, found: Sequence[AudienceEntry], kind: str) -> Sequence[Group]:
        """Return the topics among the entries whose notifications are of `kind`."""
        named = [Address.parse(e).value for e in found if isinstance(e, str) and names_group(e)]
        groups = [g for slug in named for g in self._groups.get(slug, ()) if g.slug == slug]
        return [group for group in groups if group.joinable and group.kind in (None, kind)]

    def among(self, found: Sequence[AudienceEntry]) -> ColumnElement[bool]:
        """Return whether a person is in any of the entries.

        One that names a group that is no more has nobody: who is excluded would be reached.
        """
        found = [entry for entry in found if slugs_in([entry]) <= self._groups.keys()]
        users = [str(entry).partition(":")[2] for entry in found if names_user(entry)]
        others = [entry for entry in found if not names_user(entry)]
        conditions = [self._is_in(entry) for entry in others]
        if users:
            conditions.append(has_id(users))
        return or_(false(), *conditions)

    def _is_in(self, entry: AudienceEntry) -> ColumnElement[bool]:
        if isinstance(entry, Combination):
            return self._combined(entry)
        address = Address.parse(entry)
        conditions: Mapping[str, Callable[[str], ColumnElement[bool]]] = {
            USER: lambda value: User.id == UUID(value),
            GROUP: self._in_group,
            "mailto": lambda value: func.lower(User.email) == func.lower(value),
            "tel": lambda value: User.phone == value,
        }
        return conditions[address.scheme](address.value)

    def _combined(self, entry: Combination) -> ColumnElement[bool]:
        parts = [self._is_in(each) for each in entry.all]
        if entry.any:
            parts.append(or_(*map(self._is_in, entry.any)))
        parts += [negated(self._is_in(each)) for each in entry.none]
        return and_(*parts)

    def _in_group(self, slug: str) -> ColumnElement[bool]:
        groups = self._groups[slug]
        conditions = [matching_rule(group.rule) for group in groups if group.rule is not None]
        members = select(Membership.group_id).where(
            Membership.user_id == User.id, Membership.group_id.in_([group.id for group in groups])
        )
        return or_(members.exists(), *conditions)


def topic_channels(topics: Sequence[Group]) -> ColumnElement[str]:
    """Return a JSON array of what a person chose for each of some topics that they joined."""
    joined = Membership.group_id.in_([topic.id for topic in topics])
    chosen = select(func.json_group_array(Membership.channels))
    return chosen.where(Membership.user_id == User.id, joined).scalar_subquery()


def has_id(ids: Sequence[str]) -> ColumnElement[bool]:
    """Return whether a person's id, written without hyphens or with them, is one of many.

    They go in as one value: a database compiles no statement with ten thousand parameters.
    """
    wanted = json.dumps([id.replace("-", "").upper() for id in ids])
    values: Select[Any] = select(literal_column("value")).select_from(
        func.json_each(bindparam(None, wanted)).table_valued("value")
    )
    return func.hex(User.id).in_(values)
