"""The fields of a Notifier: one validator each, used wherever a value comes in.

A descriptor validates attribute assignment; the request model of the kind is made of the same
`validate`, and so will web forms be.
"""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Any
from uuid import UUID

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from flashnotify import domain
from flashnotify.meta.field import Field


class Text(Field[str]):
    """A text without control characters, on one line unless `multiline`."""

    def __init__(
        self,
        *,
        required: bool = False,
        multiline: bool = False,
        max_length: int = 200,
        help: str = "",
        example: str | None = None,
    ) -> None:
        super().__init__(required=required, help=help, example=example)
        self._or_leave_it_out = "" if required else ", or leave it out"
        self.multiline = multiline
        self.max_length = max_length

    def validate(self, value: object) -> str:
        """Return the text as it came."""
        if not isinstance(value, str):
            raise ValueError("expected a text")
        if len(value) > self.max_length:
            raise ValueError(f"has {len(value)} characters; at most {self.max_length} are allowed")
        check_text(value, multiline=self.multiline)
        if not value.strip():
            raise ValueError("is empty; write something" + self._or_leave_it_out)
        return value

    def schema(self) -> dict[str, Any]:
        """A string with its greatest length."""
        return {"type": "string", "minLength": 1, "maxLength": self.max_length}


class Moment(Field[datetime]):
    """A moment with an offset, in ISO 8601 as RFC 3339 profiles it."""

    _form = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)")

    def validate(self, value: object) -> datetime:
        """Return the moment, with the offset that it was written with."""
        if isinstance(value, datetime):
            moment = value
        elif isinstance(value, str) and self._form.fullmatch(value):
            try:
                moment = datetime.fromisoformat(value.upper())
            except ValueError as error:
                raise ValueError(f"is no such moment: {error}") from None
        else:
            raise ValueError(
                "expected a moment such as 2026-12-01T08:00:00+01:00; in a URL, + is written %2B"
            )
        if moment.utcoffset() is None:
            raise ValueError("has no offset; write it as 2026-12-01T08:00:00+01:00 or …Z")
        try:
            # What is kept must be a moment that can be shown again.
            domain.moment(domain.milliseconds(moment))
        except (OverflowError, ValueError):
            raise ValueError("is too far away") from None
        return moment

    def schema(self) -> dict[str, Any]:
        """A date-time string."""
        return {"type": "string", "format": "date-time"}


class Email(Field[str]):
    """An email address that can be delivered to, in canonical form (RFC 5321, RFC 5322)."""

    # An address of this form is what email-validator returns unchanged, once its domain has passed.
    _plain = re.compile(r"[a-z0-9]+(?:[._+-][a-z0-9]+)*", re.ASCII)

    def __init__(
        self, *, required: bool = False, help: str = "", example: str | None = None
    ) -> None:
        super().__init__(required=required, help=help, example=example)
        self._domains: dict[str, None] = {}

    def validate(self, value: object) -> str:
        """Return the address with its domain in lower-case ASCII (IDNA 2008)."""
        if not isinstance(value, str):
            raise ValueError("expected an email address")
        local, at, host = value.partition("@")
        if at and host in self._domains and len(local) <= 64 and self._plain.fullmatch(local):
            if len(value) > 254:
                raise ValueError("the address is longer than 254 characters")
            return value
        try:
            found = validate_email(value, check_deliverability=False, allow_smtputf8=False)
        except EmailNotValidError as error:
            raise ValueError(str(error)) from None
        address = found.ascii_email
        if address is None:
            raise ValueError(
                "needs SMTPUTF8, which mail servers rarely accept; use an ASCII address"
            )
        if "=?" in address:
            # Valid, but programs that decode it (RFC 2047) may find line breaks in it.
            raise ValueError("must not contain '=?', which begins an encoded word")
        if found.ascii_domain == host:
            self._remember(host)
        return address

    def _remember(self, host: str) -> None:
        # Bounded: addresses come from outside. The oldest domain goes first.
        if len(self._domains) >= 4096:
            del self._domains[next(iter(self._domains))]
        self._domains[host] = None

    def schema(self) -> dict[str, Any]:
        """An email string."""
        return {"type": "string", "format": "email"}


class Phone(Field[str]):
    """A phone number in international form, kept as E.164 (ITU-T)."""

    def validate(self, value: object) -> str:
        """Return the number as E.164: `+33612345678`."""
        if not isinstance(value, str) or len(value) > 40:
            raise ValueError("expected a phone number such as +33612345678")
        try:
            number = phonenumbers.parse(value, None)
        except phonenumbers.NumberParseException:
            raise ValueError(
                "is no phone number; write it with its country code, such as +33612345678; "
                "in a URL, + is written %2B"
            ) from None
        if number.extension or not phonenumbers.is_valid_number(number):
            raise ValueError("is no number that can be in use; check its digits")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    def schema(self) -> dict[str, Any]:
        """A string that begins with the country code."""
        return {"type": "string", "pattern": r"^\+[0-9 ().-]{4,38}$"}


class Choice(Field[str]):
    """One of a few words."""

    def __init__(
        self, *options: str, required: bool = False, help: str = "", example: str | None = None
    ) -> None:
        super().__init__(required=required, help=help, example=example)
        self.options = options

    def validate(self, value: object) -> str:
        """Return the word."""
        if isinstance(value, str) and value in self.options:
            return value
        raise ValueError("expected one of " + ", ".join(self.options))

    def schema(self) -> dict[str, Any]:
        """One of the words."""
        return {"type": "string", "enum": list(self.options)}


class Id(Field[UUID]):
    """An id that this service gave."""

    def validate(self, value: object) -> UUID:
        """Return the id."""
        if isinstance(value, UUID):
            return value
        try:
            return UUID(str(value))
        except ValueError:
            raise ValueError(
                "is no id; it looks like 01a204ab-133f-7000-95d3-66f8d33980d8"
            ) from None

    def schema(self) -> dict[str, Any]:
        """A UUID string."""
        return {"type": "string", "format": "uuid"}


class Slug(Field[str]):
    """A short name: lower-case letters, digits and hyphens."""

    _form = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")

    def validate(self, value: object) -> str:
        """Return the name."""
        if isinstance(value, str) and self._form.fullmatch(value):
            return value
        raise ValueError("expected lower-case letters, digits and hyphens, such as it-team")

    def schema(self) -> dict[str, Any]:
        """A string of that form."""
        return {"type": "string", "pattern": f"^{self._form.pattern}$"}


class TimeWindow(Field[domain.Window]):
    """A daily window such as `22:00-07:00`, which may go over midnight; times of the campus."""

    _form = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")

    def __init__(
        self,
        default: str | None = None,
        *,
        required: bool = False,
        help: str = "",
        example: str | None = None,
    ) -> None:
        super().__init__(required=required, help=help, example=example)
        self.default = self.validate(default) if default is not None else None

    def validate(self, value: object) -> domain.Window:
        """Return the window."""
        if isinstance(value, domain.Window):
            return value
        match = self._form.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError("expected a window such as 22:00-07:00")
        hours = [int(group) for group in match.groups()]
        begin, end = time(hours[0], hours[1]), time(hours[2], hours[3])
        if begin == end:
            raise ValueError("begins when it ends; leave it out instead")
        return domain.Window(begin, end)

    def schema(self) -> dict[str, Any]:
        """A string of that form."""
        return {"type": "string", "pattern": f"^{self._form.pattern}$"}


class Priority(Field[domain.Priority]):
    """How urgent the kind is unless its sender says otherwise."""

    def __init__(self, *, default: str) -> None:
        super().__init__()
        self.default = self.validate(default)

    def validate(self, value: object) -> domain.Priority:
        """Return the priority of that name."""
        if isinstance(value, domain.Priority):
            return value
        if isinstance(value, str) and value in domain.Priority.__members__:
            return domain.Priority[value]
        raise ValueError("expected one of " + ", ".join(domain.Priority.__members__))

    def schema(self) -> dict[str, Any]:
        """One of the names."""
        return {"type": "string", "enum": list(domain.Priority.__members__)}


def check_text(value: str, *, multiline: bool) -> None:
    """Refuse what must not get into a header or a line of text.

    Raises:
        ValueError: for control characters (category Cc), lone surrogates (Cs) and the line and
            paragraph separators; line feed, carriage return and tab pass in `multiline`.
    """
    found = (_REFUSED_IN_LINES if multiline else _REFUSED).search(value)
    if found is not None:
        raise ValueError(
            f"has the control character U+{ord(found[0]):04X}; remove it"
            if found[0] not in "\r\n"
            else "has a line break; write it on one line"
        )


_REFUSED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_REFUSED_IN_LINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
