"""The entries of `to` that name people: `user:`, `group:`, and combinations of entries."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from flashnotify.archive.people_ports import Directory
from flashnotify.domain import GROUP, USER, Address, AudienceEntry, Combination, names_user
from flashnotify.errors import FieldError, InvalidInput, InvalidValue
from flashnotify.people.names import ids_of

# What a combination has, in JSON.
_ALL, _ANY, _NOT = "all", "any", "not"
# How deep combinations may nest, and how many groups and parts of combinations there may be: a
# database looks at each of them for each person.
_MAX_DEPTH = 5
_MAX_PARTS = 100


class Place(NamedTuple):
    """An entry as it was sent, and the pointer to it."""

    pointer: str
    entry: Any


@dataclass(eq=False, slots=True)
class PeopleEntries:
    """Checks entries that name people. `parse` returns the address of a URI or raises."""

    directory: Directory
    parse: Callable[[str], Address]

    async def check(self, places: Sequence[Place], max_errors: int) -> Sequence[AudienceEntry]:
        """Return entries in canonical form, people first, without duplicates.

        Raises:
            InvalidInput: some name nobody, or combine what cannot be combined.
        """
        parsing = _Parsing(self.parse)
        entries = [parsing.entry(place, 1) for place in places]
        if not parsing.errors:
            ids = await self._ids(parsing)
            entries = [_with_ids(entry, ids) for entry in entries]
        if parsing.errors:
            raise InvalidInput(parsing.errors[:max_errors])
        return sorted(dict.fromkeys(entries), key=lambda entry: not names_user(entry))

    async def _ids(self, parsing: "_Parsing") -> Mapping[str, UUID]:
        """Return the ids of the people who are named; note an error for each unknown name."""
        ids = await ids_of(self.directory, parsing.users)
        slugs = await self.directory.groups(list(parsing.groups)) if parsing.groups else {}
        parsing.refuse(parsing.users, ids, "unknown_user", "is nobody in the directory")
        parsing.refuse(parsing.groups, slugs, "unknown_group", "is no group")
        return ids


class _Parsing:
    """The entries read so far: whom they name, where, and what is wrong with them."""

    def __init__(self, parse: Callable[[str], Address]) -> None:
        self._parse = parse
        self._parts = 0
        self.users: dict[str, str] = {}
        self.groups: dict[str, str] = {}
        self.errors: list[FieldError] = []

    def entry(self, place: Place, depth: int) -> AudienceEntry:
        try:
            if isinstance(place.entry, str):
                return self._named(place)
            return self._combination(place, depth)
        except ValueError as error:
            self.errors.append(FieldError.of(place.pointer, error))
            return Combination()

    def refuse(
        self, named: Mapping[str, str], known: Collection[str], code: str, detail: str
    ) -> None:
        self.errors += [
            FieldError(pointer, code, detail)
            for name, pointer in named.items()
            if name not in known
        ]

    def _named(self, place: Place) -> AudienceEntry:
        address = self._parse(place.entry)
        if address.scheme == USER:
            self.users.setdefault(address.value, place.pointer)
        elif address.scheme == GROUP:
            self._count(place)
            self.groups.setdefault(address.value, place.pointer)
        elif address.scheme not in ("mailto", "tel"):
            raise InvalidValue(
                "unsupported_scheme", f"{address.scheme}: cannot be part of a combination"
            )
        return str(address)

    def _combination(self, place: Place, depth: int) -> Combination:
        entry = place.entry
        if not isinstance(entry, dict):
            raise InvalidValue("wrong_type", "must be a string or an object")
        if depth > _MAX_DEPTH:
            raise InvalidValue("too_deep", f"must nest at most {_MAX_DEPTH} combinations")
        if unknown := sorted(entry.keys() - {_ALL, _ANY, _NOT}):
            raise InvalidValue(
                "unknown_field", f"unknown field {unknown[0][:20]!r}; expected all, any, not"
            )
        if not entry.get(_ALL) and not entry.get(_ANY):
            raise InvalidValue("empty", "must have entries in `all` or `any`")
        self._count(place)
        return Combination(*(tuple(self._part(place, name, depth)) for name in (_ALL, _ANY, _NOT)))

    def _part(self, place: Place, name: str, depth: int) -> Iterator[AudienceEntry]:
        entries = place.entry.get(name, [])
        if not isinstance(entries, list):
            error = InvalidValue("wrong_type", "must be a list")
            self.errors.append(FieldError.of(f"{place.pointer}/{name}", error))
            return
        for index, entry in enumerate(entries[: _MAX_PARTS + 1]):
            within = Place(f"{place.pointer}/{name}/{index}", entry)
            self._count(within)
            yield self.entry(within, depth + 1)

    def _count(self, place: Place) -> None:
        self._parts += 1
        if self._parts == _MAX_PARTS + 1:
            raise InvalidValue(
                "too_many", f"must have at most {_MAX_PARTS} groups and parts of combinations"
            )


def _with_ids(entry: AudienceEntry, ids: Mapping[str, UUID]) -> AudienceEntry:
    """Return an entry that names people by their ids."""
    if isinstance(entry, Combination):
        parts = (entry.all, entry.any, entry.none)
        return Combination(*(tuple(_with_ids(each, ids) for each in part) for part in parts))
    address = Address.parse(entry)
    return (
        f"{USER}:{ids[address.value]}" if address.scheme == USER and address.value in ids else entry
    )
