"""The fields of a Notifier: one validator each, used wherever a value comes in.

A descriptor validates attribute assignment. In `Annotated` it validates in a pydantic model:
`send_at: Annotated[datetime, Moment()]`.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, datetime, time
from typing import Any, ClassVar, Generic, Self, TypeVar, overload
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from pydantic_core import CoreSchema, core_schema

from flashnotify import domain
from flashnotify.bounded_cache import BoundedCache
from flashnotify.errors import InvalidValue, MissingOffset
from flashnotify.meta.special_domains import is_special_domain
from flashnotify.meta.suggestions import did_you_mean
from flashnotify.meta.text import check_text

T = TypeVar("T")

# Years in which a time may have no equivalent in another time zone.
_EDGES = MINYEAR, MAXYEAR


@dataclass(kw_only=True, eq=False)
class Field(ABC, Generic[T]):
    """Base class of the descriptors. The value lives in the instance's `__dict__`."""

    # The JSON Schema of the values that `validate` accepts.
    accepts: ClassVar[Mapping[str, Any]] = {"type": "string"}

    name: str = field(default="", init=False)
    required: bool = False
    help: str = ""
    example: str | None = None

    @abstractmethod
    def validate(self, value: object) -> T:
        """Return the canonical value.

        Raise `ValueError` if the value is invalid; the message says what is expected.
        """

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values that `validate` accepts."""
        return dict(self.accepts)

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(self, schema: object, handler: object) -> dict[str, Any]:
        described = {"description": self.help, "examples": self.example and [self.example]}
        return self.schema() | {key: value for key, value in described.items() if value}

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any]) -> T | None: ...
    def __get__(self, instance: object | None, owner: type[Any]) -> Self | T | None:
        return self if instance is None else instance.__dict__.get(self.name)

    def __set__(self, instance: object, value: object) -> None:
        instance.__dict__[self.name] = self.validate(value)


@dataclass(kw_only=True, eq=False)
class Text(Field[str]):
    """A text without control characters, on a single line unless `multiline`."""

    multiline: bool = False
    max_length: int | None = 200

    def validate(self, value: object) -> str:
        """Return the text unchanged."""
        if not isinstance(value, str):
            raise InvalidValue("wrong_type", "must be a string")
        if self.max_length is not None and len(value) > self.max_length:
            raise InvalidValue(
                "too_long", f"must have at most {self.max_length} characters; has {len(value)}"
            )
        check_text(value, multiline=self.multiline)
        if not value.strip():
            remedy = "" if self.required else "; omit it instead"
            raise InvalidValue("empty", f"must not be empty{remedy}")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the schema of a string with its maximum length."""
        limit = {} if self.max_length is None else {"maxLength": self.max_length}
        return {"type": "string", "minLength": 1, **limit}


class Moment(Field[datetime]):
    """A moment with an offset, in ISO 8601 as RFC 3339 profiles it."""

    accepts: ClassVar[Mapping[str, Any]] = {"type": "string", "format": "date-time"}
    _form = re.compile(
        r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
    )

    def validate(self, value: object) -> datetime:
        """Return the moment, with the offset that it was written with."""
        if isinstance(value, datetime):
            moment = value
        elif isinstance(value, str) and self._form.fullmatch(value):
            try:
                moment = datetime.fromisoformat(value.upper())
            except ValueError:
                # Python's own words differ from version to version.
                message = "not a valid date and time; check its day, hour and offset"
                raise InvalidValue("not_a_timestamp", message) from None
        else:
            raise InvalidValue(
                "not_a_timestamp",
                "must be a date and time with an offset, such as 2026-12-01T08:00:00+01:00",
            )
        if moment.utcoffset() is None:
            raise MissingOffset(moment)
        if moment.year in _EDGES:
            try:
                # Reject what could be stored but not be shown again.
                domain.moment(domain.milliseconds(moment))
            except (OverflowError, ValueError):
                raise InvalidValue("out_of_range", "too far in the past or the future") from None
        return moment


@dataclass(kw_only=True, eq=False)
class Email(Field[str]):
    """A deliverable email address in canonical form (RFC 5321, RFC 5322).

    `special` also takes domains that only a local network knows, such as `mail.local`.
    """

    special: bool = False

    accepts: ClassVar[Mapping[str, Any]] = {"type": "string", "format": "email"}
    # email-validator returns addresses of this form unchanged, if their domain is valid.
    _plain = re.compile(r"[a-z0-9]+(?:[._+-][a-z0-9]+)*", re.ASCII)

    # Domains known to be valid. Bounded, because addresses come from outside.
    _domains: BoundedCache[str, None] = field(
        default_factory=lambda: BoundedCache(4096), init=False
    )

    def validate(self, value: object) -> str:
        """Return the address with its domain in lower-case ASCII (IDNA 2008)."""
        if not isinstance(value, str):
            raise InvalidValue("not_an_email_address", "must be an email address")
        local, at, host = value.partition("@")
        if at and host in self._domains and len(local) <= 64 and self._plain.fullmatch(local):
            if len(value) > 254:
                raise InvalidValue("too_long", "must have at most 254 characters")
            return value
        # email-validator refuses local domains, but not as part of a longer name.
        suffix = ".example" if self.special and host and is_special_domain(host.lower()) else ""
        try:
            found = validate_email(value + suffix, check_deliverability=False, allow_smtputf8=False)
        except EmailNotValidError as error:
            message = f"not a valid email address: {error}"
            raise InvalidValue("not_an_email_address", message) from None
        address = found.ascii_email and found.ascii_email.removesuffix(suffix)
        if address is None:
            raise InvalidValue(
                "not_an_email_address",
                "needs SMTPUTF8, which few mail servers accept; use an ASCII address",
            )
        if "=?" in address:
            # Valid, but programs that decode it (RFC 2047) may find line breaks in it.
            raise InvalidValue(
                "encoded_word", "must not contain '=?', which begins an encoded word"
            )
        if found.ascii_domain == host + suffix:
            self._domains[host] = None
        return address


class Choice(Field[str]):
    """One of a few words."""

    def __init__(self, *options: str, **declared: Any) -> None:
        super().__init__(**declared)
        self.options = options

    def validate(self, value: object) -> str:
        """Return the word unchanged."""
        return _one_of(self.options, value)

    def schema(self) -> dict[str, Any]:
        """Return the schema that lists the words."""
        return {"type": "string", "enum": list(self.options)}


def _one_of(options: Collection[str], value: object) -> str:
    if isinstance(value, str) and value in options:
        return value
    hint = did_you_mean(value, options)
    raise InvalidValue("unknown_value", f"expected one of {', '.join(options)}{hint}")


class Id(Field[UUID]):
    """An id that this service assigned."""

    accepts: ClassVar[Mapping[str, Any]] = {"type": "string", "format": "uuid"}

    def validate(self, value: object) -> UUID:
        """Return the id as a UUID."""
        if isinstance(value, UUID):
            return value
        try:
            return UUID(str(value))
        except ValueError:
            raise InvalidValue(
                "not_an_id",
                "not a valid id; expected a UUID such as 01a204ab-133f-7000-95d3-66f8d33980d8",
            ) from None


class Slug(Field[str]):
    """A short name: lower-case letters, digits and hyphens."""

    _form = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
    accepts: ClassVar[Mapping[str, Any]] = {"type": "string", "pattern": f"^{_form.pattern}$"}

    def validate(self, value: object) -> str:
        """Return the name unchanged."""
        if isinstance(value, str) and self._form.fullmatch(value):
            return value
        expected = "must be lower-case letters, digits and hyphens, such as it-team"
        raise InvalidValue("not_a_slug", expected)


class TimeWindow(Field[domain.Window]):
    """A daily window in campus time, such as `22:00-07:00`, which may span midnight."""

    _form = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
    accepts: ClassVar[Mapping[str, Any]] = {"type": "string", "pattern": f"^{_form.pattern}$"}

    def __init__(self, hours: str | None = None, **declared: Any) -> None:
        super().__init__(**declared)
        self.default = self.validate(hours) if hours is not None else None

    def validate(self, value: object) -> domain.Window:
        """Return the window."""
        if isinstance(value, domain.Window):
            return value
        if not isinstance(value, str) or not self._form.fullmatch(value):
            raise InvalidValue("not_a_time_window", "must be a time window such as 22:00-07:00")
        begin, end = map(time.fromisoformat, value.split("-"))
        if begin == end:
            raise InvalidValue(
                "not_a_time_window", "must not begin and end at the same time; omit it instead"
            )
        return domain.Window(begin, end)


class Priority(Field[domain.Priority]):
    """The priority of a kind's notifications, unless their sender sets another."""

    _names = tuple(domain.Priority.__members__)
    accepts: ClassVar[Mapping[str, Any]] = {"type": "string", "enum": list(_names)}

    def __init__(self, *, default: str) -> None:
        super().__init__()
        self.default = self.validate(default)

    def validate(self, value: object) -> domain.Priority:
        """Return the priority of that name."""
        if isinstance(value, domain.Priority):
            return value
        if value == "default":
            raise InvalidValue("unknown_value", "omit it for the kind's default")
        return domain.Priority[_one_of(self._names, value)]
