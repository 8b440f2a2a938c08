"""A caller's document → a checked request of its kind. Every fault is named, at its place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import from_json

from flashnotify.domain import Address, Priority, milliseconds
from flashnotify.errors import FieldError, InvalidInput, MalformedDocument
from flashnotify.identity.principal import Caller
from flashnotify.intake.audience import Audience
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


class Validation:
    """Checks documents against the kinds, the limits and what their caller may do."""

    def __init__(
        self,
        kinds: Registry[NotifierSpec],
        templates: Registry[TemplatesSpec],
        audience: Audience,
        limits: Limits,
    ) -> None:
        self._kinds = kinds
        self._templates = templates
        self._audience = audience
        self._limits = limits

    async def check(self, caller: Caller, document: Mapping[str, Any], now: int) -> Checked:
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
            raise InvalidInput(
                [
                    FieldError.at(fault["loc"], _explain(fault, kind))
                    for fault in error.errors(include_url=False, include_input=False)
                ]
            ) from None
        priority = request.priority if request.priority is not None else kind.priority
        caller.require_priority(priority, kind)
        self._check_whole(kind, request, now)
        recipients = await self._audience.check(request.to, kind.schemes)
        _check_reach(kind, request.channels, recipients)
        return Checked(kind, request, priority, recipients)

    def kind(self, name: object) -> NotifierSpec:
        """The kind of that name.

        Raises:
            InvalidInput: there is none; the message lists those there are.
        """
        kind = self._kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            known = ", ".join(self._kinds.names())
            short = isinstance(name, str) and len(name) <= _NAME
            nearest = self._kinds.nearest(str(name)) if short else None
            hint = f"; did you mean {nearest!r}?" if nearest else ""
            detail = "is missing" if name is None else "is no kind"
            raise InvalidInput([FieldError("/kind", f"{detail}; the kinds are {known}{hint}")])
        return kind

    def _check_whole(self, kind: NotifierSpec, request: NotificationRequest, now: int) -> None:
        """What no field can say alone, or only the settings say."""
        errors: list[FieldError] = []
        if len(request.title) > self._limits.title:
            errors.append(_too_long("/title", len(request.title), self._limits.title, "characters"))
        size = len(request.body.encode())
        if size > self._limits.body:
            errors.append(_too_long("/body", size, self._limits.body, "bytes of UTF-8"))
        if len(request.to) > self._limits.recipients:
            errors.append(_too_long("/to", len(request.to), self._limits.recipients, "entries"))
        given = request.data.model_dump(exclude_none=True).keys()
        errors += [
            FieldError(f"/data/{field}", "is missing, and this kind's templates need it")
            for field in sorted(self._templates[kind.kind].needed - given)
        ]
        if request.expires_at is not None:
            if milliseconds(request.expires_at) <= now:
                errors.append(FieldError("/expires_at", "is in the past"))
            elif request.send_at is not None and request.expires_at <= request.send_at:
                errors.append(FieldError("/expires_at", "is not after send_at"))
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
        takes = ", ".join(f"{scheme}:" for scheme in sorted(schemes))
        detail = f"reach nobody in `to`: they take {takes} addresses; add one, or a channel"
        raise InvalidInput([FieldError("/channels", detail)])


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


def _explain(fault: Mapping[str, Any], kind: NotifierSpec) -> str:
    match fault["type"]:
        case "missing":
            return "is missing"
        case "list_type":
            return 'must be a list, such as ["mailto:ada@univ.example"]'
        case "string_type":
            return 'must be a text, such as "mailto:ada@univ.example"'
        case "model_type" | "dict_type":
            return "must be a JSON object, {…}"
        case "too_short":
            return "is empty; name at least one"
        case "string_pattern_mismatch" if fault["loc"] == ("locale",):
            return "is no language tag; write it as fr or pt-BR"
        case "extra_forbidden" if fault["loc"][0] == "data":
            known = ", ".join(kind.fields) or "none"
            return f"is no field of {kind.kind}; its fields are {known}"
        case "extra_forbidden":
            return "is no field of a notification; remove it or move it into data"
        case "literal_error" if fault["loc"][0] == "channels":
            return f"is no channel of {kind.kind}; its channels are {', '.join(kind.channels)}"
        case _:
            return str(fault["msg"]).removeprefix("Value error, ")


def _too_long(pointer: str, size: int, limit: int, unit: str) -> FieldError:
    return FieldError(pointer, f"has {size} {unit}; at most {limit} are allowed")
