"""What requests about API keys say."""

from collections.abc import Collection, Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from flashnotify.api.fields import Timestamp
from flashnotify.domain import Priority
from flashnotify.errors import FieldError, InvalidInput
from flashnotify.identity.key_terms import KeyTerms
from flashnotify.identity.rate_limits import checked_rate
from flashnotify.meta.suggestions import nearest

# Seconds for which the secret before a rotation stays valid: by default, and at most.
_OVERLAP = 24 * 3600
_MAX_OVERLAP = 90 * _OVERLAP


class ApiKeyIn(BaseModel):
    """A new key and what it may do."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["registrar"]),
    ]
    scopes: Annotated[
        list[str], Field(min_length=1, max_length=50, examples=[["notify:academic", "read"]])
    ]
    max_priority: Literal["low", "medium", "high", "critical"] = "high"
    expires_at: Timestamp | None = None
    channels: (
        Annotated[list[str], Field(min_length=1, max_length=50, examples=[["email"]])] | None
    ) = None
    recipients_per_day: Annotated[int, Field(ge=1, le=10**9, strict=True)] | None = None
    rate_limit: (
        Annotated[str, Field(max_length=100, examples=["50/second"]), AfterValidator(checked_rate)]
        | None
    ) = None
    cost_centre: Annotated[str, Field(max_length=100, examples=["library"])] | None = None


class RotationIn(BaseModel):
    """For how long the secret that a key has stays valid beside the new one.

    Either for `overlap` seconds, a day by default, or `until` a time.
    """

    model_config = ConfigDict(extra="forbid")

    overlap: Annotated[int, Field(ge=0, le=_MAX_OVERLAP, strict=True, examples=[3600])] | None = (
        None
    )
    until: Timestamp | None = None

    def end(self, now: int) -> int:
        """Return when the overlap ends. Raise `InvalidInput` unless that is in its bounds."""
        if self.until is None:
            return now + 1000 * (_OVERLAP if self.overlap is None else self.overlap)
        if self.overlap is not None:
            error = FieldError("/overlap", "conflict", "must not be given together with until")
        elif self.until < now:
            error = FieldError("/until", "in_the_past", "must not be in the past")
        elif self.until > now + 1000 * _MAX_OVERLAP:
            error = FieldError("/until", "too_late", "must be within 90 days")
        else:
            return self.until
        raise InvalidInput([error])


def terms(
    wanted: ApiKeyIn, scopes: Collection[str], channels: Collection[str], now: int
) -> KeyTerms:
    """Return the terms of a new key. `scopes` and `channels` are all that exist.

    Raise `InvalidInput` with what is unknown, or in the past.
    """
    errors = [*_unknown("scope", wanted.scopes, scopes)]
    errors += _unknown("channel", wanted.channels or (), channels)
    if wanted.expires_at is not None and wanted.expires_at <= now:
        errors.append(FieldError("/expires_at", "in_the_past", "must not be in the past"))
    if errors:
        raise InvalidInput(errors)
    return KeyTerms(
        name=wanted.name,
        scopes=frozenset(wanted.scopes),
        max_priority=Priority[wanted.max_priority],
        expires_at=wanted.expires_at,
        channels=None if wanted.channels is None else frozenset(wanted.channels),
        recipients_per_day=wanted.recipients_per_day,
        rate_limit=wanted.rate_limit,
    )


def _unknown(what: str, given: Collection[str], known: Collection[str]) -> Iterator[FieldError]:
    """Yield an error for each that is unknown, with the one that was probably meant."""
    short = {each.removeprefix("notify:"): each for each in known}
    for index, each in enumerate(given):
        if each not in known:
            meant = nearest(each.removeprefix("notify:"), short)
            hint = f"; did you mean {short[meant]}?" if meant else ""
            detail = f"unknown {what}; expected one of {', '.join(known)}{hint}"
            yield FieldError(f"/{what}s/{index}", f"unknown_{what}", detail)
