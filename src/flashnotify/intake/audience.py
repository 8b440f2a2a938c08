"""Turns the entries of `to` into recipients."""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote
from uuid import UUID

from flashnotify.archive.people_ports import Directory
from flashnotify.domain import GROUP, USER, Address, AudienceEntry, names_user
from flashnotify.errors import FieldError, InvalidInput, InvalidValue
from flashnotify.intake.people_entries import PeopleEntries, Place
from flashnotify.meta.descriptors import Text
from flashnotify.meta.faults import MAX_ERRORS
from flashnotify.time_slices import TimeSlices

_ENCODED_CONTROL = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")
# Entries checked in one step: an unknown domain costs 43 µs. A long one, up to 1 ms, is a step.
_STEP = 10
_LONG = 100
# Maximum length of an address with its percent-encoding: checking a longer one takes too long.
_MAX_LENGTH = 1000
# Characters of an entry that an error shows.
_SHOWN_LENGTH = 100
_EXAMPLE = "mailto:ada@univ.example"
# Addresses looked up at once.
_LOOKUP = 500
# The schemes of people, with what checks their names.
_NAMES: Mapping[str, Callable[[str], str]] = {
    USER: Text(required=True, max_length=255).validate,
    GROUP: Text(required=True, max_length=100).validate,
}

Registered: TypeAlias = Callable[[Collection[UUID]], Awaitable[Collection[UUID]]]


@dataclass(eq=False, slots=True)
class _Distinct:
    """The addresses so far, by canonical form; those of `registered` schemes with their places."""

    registered: Collection[str]
    found: dict[str, Address] = field(default_factory=dict)
    places: dict[Address, int] = field(default_factory=dict)
    folded: dict[str, Address] = field(default_factory=dict)

    def add(self, address: Address, index: int) -> None:
        """Add an address, unless there is one that differs at most in case."""
        text = f"{address.scheme}:{address.value}"
        folded = text.lower()
        if folded not in self.folded:
            self.folded[folded] = address
            self.found[text] = address
            if address.scheme in self.registered:
                self.places[address] = index


@dataclass(eq=False, slots=True)
class Recipients:
    """Whom a checked `to` names: addresses by their canonical form, and people."""

    addresses: Mapping[str, Address]
    people: Sequence[AudienceEntry]

    @property
    def number(self) -> int:
        """How many addresses and people are named. Those in groups are not known yet."""
        return len(self.addresses) + sum(map(names_user, self.people))


@dataclass(eq=False, slots=True)
class Audience:
    """Checks and resolves `to`.

    `addresses` maps each scheme to the function that checks its addresses, and `registered` the
    schemes whose addresses must be registered to the function that returns the registered ones.
    """

    addresses: Mapping[str, Callable[[str], str]]
    registered: Mapping[str, Registered]
    people: Directory
    slices: TimeSlices

    async def check(
        self, to: Sequence[Any], schemes: frozenset[str], max_errors: int = MAX_ERRORS
    ) -> Recipients:
        """Return the recipients, in order, without duplicates.

        Addresses that differ only in case are the same person's: the first one is kept.
        `schemes` are those that the channels of the kind send to. Raise `InvalidInput` if some
        entries are wrong, with at most `max_errors`; each has a pointer (`/to/3`).
        """
        named: list[Place] = []
        addresses = await self._addresses(to, schemes, named, max_errors)
        if not named:
            return Recipients(addresses, ())
        entries = PeopleEntries(self.people, lambda entry: self._parse(entry, schemes))
        return Recipients(addresses, await entries.check(named, max_errors))

    async def _addresses(
        self, to: Sequence[Any], schemes: frozenset[str], named: list[Place], max_errors: int
    ) -> Mapping[str, Address]:
        """Return the addresses among the entries of `to`; add those that are none to `named`."""
        distinct = _Distinct(self.registered)
        errors: list[FieldError] = []
        for index, entry in enumerate(to):
            if type(entry) is not str:
                named.append(Place(f"/to/{index}", entry))
                continue
            if index % _STEP == _STEP - 1 or entry[_LONG:]:
                await self.slices.step()
            try:
                address = self._parse(entry, schemes)
            except ValueError as error:
                errors.append(FieldError.of(f"/to/{index}", error))
                if len(errors) == max_errors:
                    break
                continue
            if address.scheme in _NAMES:
                named.append(Place(f"/to/{index}", entry))
            else:
                distinct.add(address, index)
        if distinct.places and not errors:
            errors += await self._unregistered(distinct.places)
        if errors:
            raise InvalidInput(errors[:max_errors])
        return distinct.found

    async def _unregistered(self, found: Mapping[Address, int]) -> list[FieldError]:
        errors: list[FieldError] = []
        for scheme, registered in self.registered.items():
            places = {a.value: index for a, index in found.items() if a.scheme == scheme}
            values = list(places)
            for start in range(0, len(values), _LOOKUP):
                some = values[start : start + _LOOKUP]
                known = await registered([UUID(value) for value in some])
                errors += [
                    FieldError(f"/to/{places[value]}", "not_registered", "is not registered")
                    for value in some
                    if UUID(value) not in known
                ]
        return errors

    def _parse(self, entry: str, schemes: frozenset[str]) -> Address:
        scheme, _, rest = entry.partition(":")
        scheme = scheme.lower()
        _check_form(entry, rest)
        check = self.addresses.get(scheme) or _NAMES.get(scheme)
        if check is None:
            known = ", ".join(f"{name}:" for name in {**self.addresses, **_NAMES})
            raise InvalidValue(
                "unknown_scheme", f"unknown scheme {scheme[:20]}:; expected one of {known}"
            )
        if scheme not in schemes and scheme not in _NAMES:
            raise InvalidValue(
                "unsupported_scheme", f"no channel of this kind sends to {scheme}: addresses"
            )
        if rest.startswith("//"):
            # Valid at the start of an email address, but a mistake.
            right = _write(f"{scheme}:{rest.lstrip('/')}")
            raise InvalidValue("double_slash", f"must not have // after {scheme}:; {right}")
        return Address(scheme, check(_decode(rest)))


def _check_form(entry: str, rest: str) -> None:
    """Check what is the same for all schemes; `rest` is what follows the scheme."""
    if ":" not in entry:
        raise InvalidValue("not_a_uri", f"must be a URI with its scheme, such as {_EXAMPLE}")
    if len(rest) > _MAX_LENGTH:
        raise InvalidValue(
            "too_long", f"must have at most {_MAX_LENGTH} characters; has {len(rest)}"
        )
    if entry[:1].isspace():
        raise InvalidValue("leading_space", f"must not begin with a space; {_write(entry)}")


def _write(entry: str) -> str:
    """Return the advice to write `entry` without its mistake."""
    right = entry.strip()[:_SHOWN_LENGTH]
    return f"write {right if right.isprintable() else _EXAMPLE}"


def _decode(rest: str) -> str:
    """Return the one address of a URI without query or encoded controls (RFC 6068, section 2)."""
    if "%" not in rest and "?" not in rest and "," not in rest:
        return rest
    if "?" in rest:
        raise InvalidValue("has_query", "must not have a query (?…)")
    if "," in rest:
        raise InvalidValue(
            "several_addresses", "must be a single address; use one entry for each address"
        )
    if _ENCODED_CONTROL.search(rest):
        raise InvalidValue("control_character", "must not have encoded control characters")
    try:
        return unquote(rest, errors="strict")
    except UnicodeDecodeError:
        raise InvalidValue("not_utf8", "must be percent-encoded UTF-8") from None
