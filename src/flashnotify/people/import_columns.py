"""The columns of an import: what each takes, and what a line says of a person."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from flashnotify.bounded_cache import BoundedCache
from flashnotify.domain import Role
from flashnotify.errors import FieldError, InvalidInput, InvalidValue
from flashnotify.meta.descriptors import Choice, Email, Slug, Text
from flashnotify.meta.localization import Locale, TimeZone
from flashnotify.meta.phone import Phone
from flashnotify.meta.suggestions import did_you_mean

KEY = "external_id"
GROUPS, ATTRIBUTES = "groups", "attributes."
_ATTRIBUTE = re.compile(r"attributes\.\w[\w .-]{0,63}")
_SEPARATORS = re.compile("[;|]")
_MAX_GROUPS = 50
# What a formula of a spreadsheet may begin with.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MAX_COLUMNS = 100
_YES, _NO = ("true", "1", "yes"), ("false", "0", "no")
_slug = Slug()


def _active(cell: str) -> bool:
    if cell.lower() in _YES:
        return True
    if cell.lower() in _NO:
        return False
    raise InvalidValue("wrong_type", "must be true or false")


def _groups(cell: str) -> tuple[str, ...]:
    slugs = [slug.strip() for slug in _SEPARATORS.split(cell)]
    found = tuple(dict.fromkeys(_slug.validate(slug) for slug in slugs if slug))
    if len(found) > _MAX_GROUPS:
        raise InvalidValue("too_many", f"must name at most {_MAX_GROUPS} groups")
    return found


_roles = Choice(*Role)
_text = Text(required=True).validate
_part_of_name = Text(required=True, max_length=99).validate
_COLUMNS: Mapping[str, Callable[[str], Any]] = {
    KEY: _text,
    "name": _text,
    "first_name": _part_of_name,
    "last_name": _part_of_name,
    "email": Email().validate,
    "phone": Phone().validate,
    "locale": Locale().validate,
    "timezone": TimeZone().validate,
    "role": lambda cell: Role(_roles.validate(cell)),
    GROUPS: _groups,
    "active": _active,
}
# Those with few different values.
_FEW = frozenset({"locale", "timezone", "role", GROUPS, "active"})
# Those in which an empty cell says nothing. In others, it says that there is none.
_KEPT = frozenset({"role", "active"})


class Line(NamedTuple):
    """What a line says of a person: `values` by the columns."""

    number: int
    key: str
    values: tuple[Any, ...]


class Columns:
    """The columns of a file. Raise `InvalidInput` if one is unknown, missing or there twice."""

    def __init__(self, header: Sequence[str]) -> None:
        errors = [*_mistakes(header)]
        if errors:
            raise InvalidInput(errors)
        self.names = tuple(header)
        self._groups = header.index(GROUPS) if GROUPS in header else None
        self._attributes = [
            (name, name.removeprefix(ATTRIBUTES)) for name in header if name.startswith(ATTRIBUTES)
        ]
        self._checks = [_COLUMNS.get(name, _text) for name in header]
        self._key = header.index(KEY)
        named = ("name",) if "name" in header else ("first_name", "last_name")
        self._named = [header.index(name) for name in named]
        self._known: BoundedCache[tuple[str, str], Any] = BoundedCache(4096)

    def key_of(self, fields: Sequence[str]) -> str | None:
        """Return the external id of a line, which may be bad otherwise."""
        if len(fields) != len(self.names):
            return None
        return _plain(fields[self._key].strip()) or None

    def line(self, number: int, fields: Sequence[str]) -> Line | Sequence[FieldError]:
        """Return what a line says, or its mistakes."""
        if len(fields) != len(self.names):
            detail = f"has {len(fields)} fields, the first line has {len(self.names)}"
            return [mistake(number, "", "wrong_number_of_fields", detail)]
        if not any(fields[index].strip() for index in self._named):
            return [mistake(number, "", "empty", "has no name")]
        values: list[Any] = []
        errors: list[FieldError] = []
        for name, check, cell in zip(self.names, self._checks, fields, strict=True):
            try:
                values.append(self._value(name, check, _plain(cell.strip())))
            except ValueError as error:
                code = getattr(error, "code", "invalid")
                errors.append(mistake(number, name, code, str(error)))
        return errors or Line(number, values[self._key], tuple(values))

    def _value(self, name: str, check: Callable[[str], Any], cell: str) -> Any:
        if not cell:
            if name == KEY:
                raise InvalidValue("empty", "must not be empty")
            return () if name == GROUPS else None
        if name not in _FEW:
            return check(cell)
        known = self._known.get((name, cell))
        if known is None:
            known = self._known[name, cell] = check(cell)
        return known

    def fields(self, line: Line) -> dict[str, Any]:
        """Return what a line says of a person, as fields of a user, with `attributes` of the file.

        Without a column `name`, it is made of the first name and the last name.
        """
        said = dict(zip(self.names, line.values, strict=True))
        said.pop(GROUPS, None)
        for name in _KEPT:
            if said.get(name, "") is None:
                del said[name]
        attributes = {attribute: said.pop(name) for name, attribute in self._attributes}
        if "name" not in said:
            said["name"] = f"{said['first_name'] or ''} {said['last_name'] or ''}".strip()
        return said | {"attributes": attributes}

    def groups(self, line: Line) -> tuple[str, ...] | None:
        """Return the slugs of the groups that a line names; None without such a column."""
        return None if self._groups is None else line.values[self._groups]


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _plain(cell: str) -> str:
    """Return a cell as it was before it was `guarded`."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA) else cell


def mistake(line: int, column: str, code: str, detail: str) -> FieldError:
    """Return a mistake in a line of a file, or in all of it."""
    place = f"line {line}, {column}" if column else f"line {line}"
    return FieldError.at((line, column) if column else (line,), code, f"{place}: {detail}")


def _mistakes(header: Sequence[str]) -> Sequence[FieldError]:
    if len(header) > _MAX_COLUMNS:
        return [mistake(1, "", "too_many", f"must have at most {_MAX_COLUMNS} columns")]
    errors = []
    for index, name in enumerate(header):
        if name not in _COLUMNS and not _ATTRIBUTE.fullmatch(name):
            hint = did_you_mean(name, _COLUMNS) or f"; others are named {ATTRIBUTES}{name or 'X'}"
            errors.append(mistake(1, name, "unknown_column", f"unknown column{hint}"))
        elif name in header[:index]:
            errors.append(mistake(1, name, "duplicate_column", "this column is there twice"))
    if "name" not in header and not {"first_name", "last_name"} <= set(header):
        detail = "there must be a column name, or first_name and last_name"
        errors.append(mistake(1, "", "missing_column", detail))
    return errors
