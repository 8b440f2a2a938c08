"""What a SCIM user is in a record of a user, and the other way round. docs/scim.md has the table.

What has no place of its own in a record, or says more than it, is kept in the attribute `scim`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from flashnotify.archive.identity_records import User
from flashnotify.errors import InvalidValue
from flashnotify.facades.scim.failures import invalid
from flashnotify.facades.scim.schemas import ENTERPRISE_USER
from flashnotify.meta.descriptors import Email, Text
from flashnotify.meta.localization import Locale, TimeZone
from flashnotify.meta.phone import Phone

# Attributes of SCIM that are attributes of a user under the same name.
_PLAIN = ("nickName", "title", "userType")
_PLAIN_ENTERPRISE = ("employeeNumber", "costCenter", "organization", "division", "department")
_REST = "scim"
# Bytes of the attributes of a user, as JSON.
_MAX_ATTRIBUTES = 4096
# Never part of what is stored.
_IGNORED = ("schemas", "id", "meta", "groups")

_NAME, _EMAIL, _PHONE = Text(required=True, max_length=200), Email(), Phone()
_LOCALE, _TIMEZONE = Locale(), TimeZone()
# The columns that a SCIM document decides.
_COLUMNS = (
    *("user_name", "external_id", "name", "first_name", "last_name"),
    *("email", "phone", "locale", "timezone", "active"),
)


def fields_of(document: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record for a SCIM user. `before`: the attributes so far.

    Raise `ScimError` for a value that cannot be stored.
    """
    given = {name: value for name, value in document.items() if name not in _IGNORED}
    columns = _columns(given)
    others = _PLAIN + _PLAIN_ENTERPRISE + (_REST,)
    attributes = {name: value for name, value in before.items() if name not in others}
    attributes |= {name: given[name] for name in _PLAIN if name in given}
    enterprise = given.get(ENTERPRISE_USER, {})
    attributes |= {name: enterprise[name] for name in _PLAIN_ENTERPRISE if name in enterprise}
    shown = _shown(columns, attributes)
    differing = [name for name in {**shown, **given} if shown.get(name) != given.get(name)]
    if differing:
        attributes[_REST] = {name: given.get(name) for name in sorted(differing)}
    if len(json.dumps(attributes, ensure_ascii=False).encode()) > _MAX_ATTRIBUTES:
        raise invalid(f"The attributes must have at most {_MAX_ATTRIBUTES} bytes in all.")
    return {**columns, "attributes": attributes}


def document_of(user: User) -> dict[str, Any]:
    """Return a user as a SCIM document, without `schemas`, `groups` and `meta`."""
    columns = {name: getattr(user, name) for name in _COLUMNS}
    columns["user_name"] = user_name_of(user)
    found = _shown(columns, user.attributes)
    rest = user.attributes.get(_REST)
    if isinstance(rest, Mapping):
        found = _completed(found, rest, columns)
    return {"id": str(user.id), **found}


def user_name_of(user: User) -> str:
    """Return the name under which SCIM clients know a user; others made some of them."""
    return user.user_name or user.email or user.external_id or str(user.id)


def _completed(
    shown: dict[str, Any], rest: Mapping[str, Any], columns: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a document with those kept values that still fit what is stored."""
    whole = _merged(shown, rest)
    if _fits(whole, columns):
        return whole
    for name, value in rest.items():
        # The others changed by other ways.
        if _fits(one := _merged(shown, {name: value}), columns):
            shown = one
    return shown


def _merged(shown: Mapping[str, Any], rest: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**shown, **rest}.items() if value is not None}


def _fits(document: Mapping[str, Any], columns: Mapping[str, Any]) -> bool:
    with suppress(Exception):
        return _columns(document) == columns
    return False


def _shown(columns: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a SCIM document shows of stored values."""
    email, phone = columns["email"], columns["phone"]
    name = {"givenName": columns["first_name"], "familyName": columns["last_name"]}
    enterprise = {n: attributes[n] for n in _PLAIN_ENTERPRISE if isinstance(attributes.get(n), str)}
    found = {
        "externalId": columns["external_id"],
        "userName": columns["user_name"],
        "name": {part: value for part, value in name.items() if value is not None} or None,
        "displayName": columns["name"],
        **{n: attributes[n] for n in _PLAIN if isinstance(attributes.get(n), str)},
        "preferredLanguage": columns["locale"],
        "timezone": columns["timezone"],
        "active": columns["active"],
        "emails": email and [{"value": email, "type": "work", "primary": True}],
        "phoneNumbers": phone and [{"value": phone, "type": "mobile", "primary": True}],
        ENTERPRISE_USER: enterprise or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _columns(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns for what a document has."""
    name = given.get("name") or {}
    first, last = name.get("givenName"), name.get("familyName")
    full = " ".join(part for part in (first, last) if part)
    user_name = _checked(_NAME, given.get("userName"), "userName")
    if user_name is None:
        raise invalid("userName: is required")
    shown = given.get("displayName") or name.get("formatted") or full or user_name
    return {
        "user_name": user_name,
        "external_id": _checked(_NAME, given.get("externalId"), "externalId"),
        "name": _checked(_NAME, shown, "displayName"),
        "first_name": _checked(_NAME, first, "name.givenName"),
        "last_name": _checked(_NAME, last, "name.familyName"),
        "email": _checked(_EMAIL, _email(given.get("emails") or ()), "emails"),
        "phone": next(_usable(_PHONE, _phones(given.get("phoneNumbers") or ())), None),
        "locale": next(_usable(_LOCALE, _languages(given)), None),
        "timezone": next(_usable(_TIMEZONE, [given.get("timezone")]), None),
        "active": given.get("active") is not False,
    }


def _checked(field: Any, value: Any, name: str) -> Any:
    """Return a value as a field has it; none for an empty one."""
    if value is None or value == "":
        return None
    try:
        return field.validate(value)
    except InvalidValue as error:
        raise invalid(f"{name}: {error}") from None


def _usable(field: Any, values: Iterator[Any] | Sequence[Any]) -> Iterator[Any]:
    """Yield those values that a field takes. Directories have many numbers that nobody can call."""
    for value in values:
        with suppress(InvalidValue):
            yield field.validate(value)


def _by_preference(entries: Sequence[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    """Return the entries of an attribute, the primary one first, then those of a type."""
    return sorted(
        entries, key=lambda entry: (entry.get("primary") is not True, entry.get("type") != kind)
    )


def _email(entries: Sequence[Mapping[str, Any]]) -> str | None:
    values = (entry.get("value") for entry in _by_preference(entries, "work"))
    return next((value for value in values if value), None)


def _phones(entries: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    for entry in _by_preference(entries, "mobile"):
        if entry.get("type") not in ("fax", "pager"):
            yield entry.get("value")


def _languages(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield the languages that a document names, the preferred one first."""
    for name in ("preferredLanguage", "locale"):
        # It may be as in Accept-Language (RFC 7231, section 5.3.5).
        yield str(given.get(name) or "").partition(",")[0].partition(";")[0].strip()


def uuid_of(text: str) -> UUID | None:
    """Return the id that a text is; None for another text, which nothing has as its id."""
    try:
        id = UUID(text)
    except ValueError:
        return None
    return id if str(id) == text.lower() else None
