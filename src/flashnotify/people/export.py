"""People as CSV, with the columns of an import."""

import csv
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flashnotify.archive import people_ports
from flashnotify.archive.identity_records import User
from flashnotify.people.import_columns import ATTRIBUTES, GROUPS, guarded
from flashnotify.time_slices import TimeSlices

# People that are read, and sent, at once.
_SLICE = 200
_FIELDS = (
    *("external_id", "name", "first_name", "last_name", "email", "phone", "locale", "timezone"),
    "role",
)


class _Line:
    """What `csv` writes to: the last line."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


@dataclass(frozen=True, slots=True)
class People:
    """Exports people."""

    stored: people_ports.Imports
    slices: TimeSlices

    async def csv(self) -> AsyncIterator[bytes]:
        """Yield all people who have an external id, as parts of a CSV file in UTF-8."""
        names = await self._attributes()
        line = _Line()
        writer = csv.writer(line)
        attributes = [ATTRIBUTES + name for name in names]
        writer.writerow([*_FIELDS, "active", GROUPS, *attributes])
        yield line.text.encode()
        async for people in self._all():
            part: list[str] = []
            for user, groups in people:
                await self.slices.step()
                writer.writerow(map(guarded, _cells(user, groups, names)))
                part.append(line.text)
            yield "".join(part).encode()

    async def _attributes(self) -> Sequence[str]:
        """Return the names of all attributes of people: the file has a column for each."""
        names: set[str] = set()
        async for people in self._all():
            for user, _ in people:
                names |= user.attributes.keys()
        return sorted(names)

    async def _all(self) -> AsyncIterator[Sequence[tuple[User, Sequence[str]]]]:
        after: UUID | None = None
        while people := await self.stored.all(after, _SLICE):
            yield [each for each in people if each[0].external_id is not None]
            after = people[-1][0].id


def _cells(user: User, groups: Sequence[str], names: Sequence[str]) -> Sequence[str]:
    fields: Mapping[str, Any] = {name: getattr(user, name) for name in _FIELDS}
    attributes = (user.attributes.get(name) for name in names)
    return [
        *map(_text, fields.values()),
        "true" if user.active else "false",
        ";".join(groups),
        *map(_text, attributes),
    ]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
