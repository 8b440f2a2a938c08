"""`to` → recipients: what the entries of an audience mean."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeAlias
from urllib.parse import unquote

from flashnotify.domain import Address
from flashnotify.errors import FieldError, InvalidInput

_ENCODED_CONTROL = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")
# How many entries are checked before others get the event loop: an unknown domain costs 43 µs.
_SLICE = 100
_SHOWN_ERRORS = 100
# Characters of an address, percent-encoding and all: what is longer takes long to refuse.
_LONGEST = 1000
_EXAMPLE = "mailto:ada@univ.example"
# How many are looked up at once.
_LOOKUP = 500

Registered: TypeAlias = Callable[[Sequence[str]], Awaitable[Collection[str]]]


class Audience:
    """Checks and resolves `to`. `addresses` says for each scheme how its addresses are checked.

    `registered` says for schemes whose addresses must be registered which of some are.
    """

    def __init__(
        self,
        addresses: Mapping[str, Callable[[str], str]],
        registered: Mapping[str, Registered],
    ) -> None:
        self._addresses = addresses
        self._registered = registered

    async def check(self, to: Sequence[str], schemes: frozenset[str]) -> list[Address]:
        """The recipients in canonical form, each once, in order. `schemes` reach the kind.

        Raises:
            InvalidInput: some entries are wrong; the pointers name each (`/to/3`).
        """
        found: dict[Address, int] = {}
        errors: list[FieldError] = []
        for start in range(0, len(to), _SLICE):
            if start:
                await asyncio.sleep(0)
            for index, entry in enumerate(to[start : start + _SLICE], start):
                try:
                    found.setdefault(self._parse(entry, schemes), index)
                except ValueError as error:
                    errors.append(FieldError(f"/to/{index}", str(error)))
            if len(errors) >= _SHOWN_ERRORS:
                break
        if not errors:
            errors += await self._unregistered(found)
        if errors:
            raise InvalidInput(errors[:_SHOWN_ERRORS])
        return list(found)

    async def _unregistered(self, found: Mapping[Address, int]) -> list[FieldError]:
        errors: list[FieldError] = []
        for scheme, registered in self._registered.items():
            places = {a.value: index for a, index in found.items() if a.scheme == scheme}
            values = list(places)
            for start in range(0, len(values), _LOOKUP):
                some = values[start : start + _LOOKUP]
                known = await registered(some)
                errors += [
                    FieldError(f"/to/{places[value]}", "is not registered, or not any more")
                    for value in some
                    if value not in known
                ]
        return errors

    def _parse(self, entry: str, schemes: frozenset[str]) -> Address:
        scheme, colon, rest = entry.partition(":")
        scheme = scheme.lower()
        if not colon:
            raise ValueError(f"is not a URI; write it with its scheme, such as {_EXAMPLE}")
        if len(rest) > _LONGEST:
            raise ValueError(f"has {len(rest)} characters; at most {_LONGEST} are allowed")
        check = self._addresses.get(scheme)
        if check is None:
            known = ", ".join(f"{name}:" for name in self._addresses)
            raise ValueError(
                f"{scheme[:20]}: is not an address this service knows; it takes {known}"
            )
        if scheme not in schemes:
            raise ValueError(f"no channel of this kind reaches a {scheme}: address")
        return Address(scheme, check(_decode(rest)))


def _decode(rest: str) -> str:
    """The address of a URI (RFC 6068 for `mailto`): one address, no query, no encoded controls."""
    if "%" not in rest and "?" not in rest and "," not in rest:
        return rest
    if "?" in rest:
        raise ValueError("has a query (?…), which is not supported; give the address alone")
    if "," in rest:
        raise ValueError("names several addresses; write one entry for each")
    if _ENCODED_CONTROL.search(rest):
        raise ValueError("has an encoded control character; remove it")
    try:
        return unquote(rest, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has a percent-encoding that is not UTF-8") from None
