"""A caller's document → a checked request of its kind. Every fault is named, at its place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import from_json

from flashnotify.domain import Address, Priority, milliseconds
from flashnotify.errors import FieldError, InvalidInput, MalformedDocument
from flashnotify.identity.principal import Principal
from flashnotify.intake.audience import Audience
from flashnotify.meta.faults import field_errors
from flashnotify.meta.registry import Registry
from flashnotify.meta.requests import NotificationRequest
from flashnotify.meta.specs import NotifierSpec, TemplatesSpec

# Most fields of a document, and of its data.
_FIELDS = 200
# Characters of a kind's name that it is worth to look for something like it.
_NAME = 50


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one notification may have: characters, bytes of UTF-8, recipients."""

    title: int
    body: int
    recipients: int


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that can be accepted as it is."""

    kind: NotifierSpec
    request: NotificationRequest
    priority: Priority
    recipients: list[Address]


@dataclass(eq=False, slots=True)
class Validation:
    """Checks documents against the kinds, the limits and what their caller may do."""

    kinds: Registry[NotifierSpec]
    templates: Registry[TemplatesSpec]
    audience: Audience
    limits: Limits

    async def check(self, caller: Principal, document: Mapping[str, Any], now: int) -> Checked:
        """Check a document that `caller` sent at `now`, in milliseconds since the epoch.

        Raises:
            InvalidInput: something in it is wrong; every fault is named.
            NotPermitted: the caller may not send this.
        """
        kind = self.kind(document.get("kind"))
        caller.require(kind.scope)
        _check_size(document)
        try:
            request = cast(NotificationRequest, kind.request.model_validate(document))
        except ValidationError as error:
            errors = field_errors(error, kind.request)
            raise InvalidInput([_misplaced(error, kind) for error in errors]) from None
        priority = request.priority if request.priority is not None else kind.priority
        caller.require_priority(priority, kind)
        self._check_whole(kind, request, now)
        recipients = await self.audience.check(request.to, kind.schemes)
        _check_reach(kind, request.channels, recipients)
        return Checked(kind, request, priority, recipients)

    def kind(self, name: object) -> NotifierSpec:
        """The kind of that name.

        Raises:
            InvalidInput: there is none; the message lists those there are.
        """
        kind = self.kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            raise InvalidInput([self._unknown_kind(name)])
        return kind

    def _unknown_kind(self, name: object) -> FieldError:
        code, detail, hint = "unknown_kind", "unknown kind", ""
        if name is None:
            code, detail = "missing", "is required"
        elif isinstance(name, str) and len(name) <= _NAME:
            detail = f"unknown kind {name!r}"
            nearest = self.kinds.nearest(name)
            hint = f"; did you mean {nearest!r}?" if nearest else ""
        known = ", ".join(self.kinds.names())
        return FieldError("/kind", code, f"{detail}; expected one of {known}{hint}")

    def _check_whole(self, kind: NotifierSpec, request: NotificationRequest, now: int) -> None:
        """What no field can say alone, or only the settings say."""
        errors: list[FieldError] = []
        if len(request.title) > self.limits.title:
            errors.append(_too_long("/title", len(request.title), self.limits.title, "characters"))
        size = len(request.body.encode())
        if size > self.limits.body:
            errors.append(_too_long("/body", size, self.limits.body, "bytes of UTF-8"))
        if len(request.to) > self.limits.recipients:
            errors.append(_too_long("/to", len(request.to), self.limits.recipients, "entries"))
        given = request.data.model_dump(exclude_none=True).keys()
        errors += [
            FieldError(f"/data/{field}", "missing", "is required by the templates of this kind")
            for field in sorted(self.templates[kind.kind].needed - given)
        ]
        if request.expires_at is not None:
            if milliseconds(request.expires_at) <= now:
                errors.append(FieldError("/expires_at", "in_the_past", "must not be in the past"))
            elif request.send_at is not None and request.expires_at <= request.send_at:
                errors.append(FieldError("/expires_at", "too_early", "must be after send_at"))
        if errors:
            raise InvalidInput(errors)


def _check_size(document: Mapping[str, Any]) -> None:
    """Refuse more fields than any kind has: to name each that is unknown would take too long."""
    for pointer, part in (("", document), ("/data", document.get("data"))):
        if isinstance(part, dict) and len(part) > _FIELDS:
            raise InvalidInput([_too_long(pointer, len(part), _FIELDS, "fields")])


def _check_reach(
    kind: NotifierSpec, channels: Collection[str] | None, recipients: Iterable[Address]
) -> None:
    """Refuse what would reach nobody at all."""
    if channels is None:
        return
    schemes = {kind.channels[name].scheme for name in channels}
    if not any(recipient.scheme in schemes for recipient in recipients):
        takes = " or ".join(f"{scheme}:" for scheme in sorted(schemes))
        detail = f"reach no recipient: `to` has no {takes} address"
        raise InvalidInput([FieldError("/channels", "no_recipient", detail)])


def parse(document: bytes) -> Mapping[str, Any]:
    """The JSON object of a request's body.

    Raises:
        MalformedDocument: it is none.
    """
    if not document.strip():
        raise MalformedDocument("The body is empty. Send a JSON object, {…}.")
    try:
        found = from_json(document)
    except ValueError as error:
        raise MalformedDocument(f"The body is not valid JSON: {error}.") from None
    if not isinstance(found, dict):
        raise MalformedDocument("The body must be a JSON object, {…}.")
    return found


def _misplaced(error: FieldError, kind: NotifierSpec) -> FieldError:
    """Return the error with a hint if a field of the kind stands outside `data`."""
    if error.code == "unknown_field" and error.pointer[1:] in kind.fields:
        return replace(error, detail=f"unknown field; {error.pointer[1:]} belongs in data")
    return error


def _too_long(pointer: str, size: int, limit: int, unit: str) -> FieldError:
    code = "too_many" if unit in ("entries", "fields") else "too_long"
    return FieldError(pointer, code, f"must have at most {limit} {unit}; has {size}")
