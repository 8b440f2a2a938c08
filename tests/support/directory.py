"""A directory of many people, written into an archive's file directly."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

from flashnotify.ids import UUIDv7

_USERS = (
    "INSERT INTO users (id, name, role, created_at, external_id, email, phone, kinds, active, "
    "attributes, credentials_changed_at) VALUES (?, ?, 'member', 1, ?, ?, ?, '[]', 1, ?, 1)"
)
_GROUPS = (
    "INSERT INTO groups (id, slug, name, rule, joinable, created_at) VALUES (?, ?, ?, ?, 0, 1)"
)
_MEMBERS = "INSERT INTO memberships (group_id, user_id, source, since) VALUES (?, ?, 'imported', 1)"


class Directory:
    """The people and groups of a closed archive, or one that nobody writes to meanwhile."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._ids = UUIDv7(lambda: 1_700_000_000_000)
        self.people: list[UUID] = []

    def add_people(self, number: int) -> None:
        """Add people of two campuses, two in three with an email address, every other phoneless."""
        self.people = [self._ids() for _ in range(number)]
        self._write(_USERS, map(self._person, range(number)))

    def _person(self, index: int) -> tuple[Any, ...]:
        email = f"etu{index}@univ.example" if index % 3 else None
        phone = f"+336{index:08}" if index % 2 else None
        attributes = {"campus": "Nord" if index % 2 else "Sud", "year": index % 5}
        values = (f"Person {index}", f"etu{index}", email, phone, json.dumps(attributes))
        return (self.people[index].bytes, *values)

    def add_group(
        self, slug: str, members: Iterable[UUID] = (), rule: dict[str, Any] | None = None
    ) -> UUID:
        """Add a group, and return its id."""
        id = self._ids()
        stored = None if rule is None else json.dumps(rule)
        self._write(_GROUPS, [(id.bytes, slug, slug, stored)])
        self._write(_MEMBERS, ((id.bytes, member.bytes) for member in members))
        return id

    def overlapping(self, number: int) -> Iterator[str]:
        """Add groups that together have everybody, each person in two or more; yield the slugs."""
        size = 2 * len(self.people) // number
        for index in range(number):
            start = index * size // 2
            members = (self.people[start:] + self.people[:start])[:size]
            slug = f"part-{index}"
            self.add_group(slug, members)
            yield slug

    def _write(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.executemany(statement, rows)
