"""Validates a caller's document as a request of its kind, and reports its mistakes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from flashnotify.domain import Priority, milliseconds
from flashnotify.errors import FieldError, InvalidInput
from flashnotify.identity.principal import Principal
from flashnotify.intake.audience import Audience, Recipients
from flashnotify.intake.delays import resolve
from flashnotify.intake.languages import texts_in
from flashnotify.intake.personalising import check_placeholders
from flashnotify.meta.faults import MAX_ERRORS, field_errors
from flashnotify.meta.language_lookup import lookup
from flashnotify.meta.registry import Registry
from flashnotify.meta.requests import NotificationRequest
from flashnotify.meta.specs import NotifierSpec, TemplatesSpec

# Maximum number of fields of a document, and of its data.
_MAX_FIELDS = 200
# Maximum length of an unknown name for which a similar kind is suggested.
_MAX_NAME = 50


class Limits(NamedTuple):
    """Limits on one notification: characters, bytes of UTF-8, recipients."""

    title: int
    body: int
    recipients: int


class Checked(NamedTuple):
    """A valid request, to be sent no earlier than `send_at`.

    `data` are the kind's fields as in JSON. Without `channels`, all of the kind are used.
    """

    kind: NotifierSpec
    request: NotificationRequest
    data: Mapping[str, Any]
    priority: Priority
    recipients: Recipients
    send_at: datetime | None
    channels: Sequence[str] | None


@dataclass(eq=False, slots=True)
class Validation:
    """Checks documents against the kinds, the limits and the permissions of their caller.

    `zone` is the campus's.
    """

    kinds: Registry[NotifierSpec]
    templates: Registry[TemplatesSpec]
    audience: Audience
    limits: Limits
    zone: tzinfo

    async def check(
        self,
        caller: Principal,
        document: Mapping[str, Any],
        now: int,
        max_errors: int = MAX_ERRORS,
    ) -> Checked:
        """Check a document that `caller` sent at `now`, in milliseconds since the epoch.

        Raises:
            InvalidInput: the document has mistakes: the first `max_errors` of one stage are listed.
            NotPermitted: the caller may not send this.
        """
        kind = self.kind(document.get("kind"))
        caller.require(kind.scope)
        check_fields(document)
        self._check_sizes(document)
        try:
            request = cast(NotificationRequest, kind.request.model_validate(document))
        except ValidationError as error:
            errors = field_errors(error, kind.request, self.zone, max_errors)
            raise InvalidInput([_misplaced(error, kind) for error in errors]) from None
        priority = request.priority if request.priority is not None else kind.priority
        caller.require_priority(priority, kind)
        channels = caller.allowed_channels(kind, request.channels)
        send_at = self._send_at(request, now)
        data = request.data.model_dump(mode="json", exclude_none=True)
        self._check_whole(kind, request, data, send_at, now)
        recipients = await self.audience.check(request.to, kind.schemes, max_errors)
        if request.personalised:
            check_placeholders(request, recipients, max_errors)
        if not _reaches(kind, channels, recipients):
            raise (
                caller.channel_not_allowed()
                if request.channels is None
                else _no_recipient(kind, request.channels)
            )
        return Checked(kind, request, data, priority, recipients, send_at, channels)

    def warnings(self, document: Mapping[str, Any]) -> Sequence[FieldError]:
        """Return what a valid document asks for and does not get."""
        locale, templates = document.get("locale"), self.templates[document["kind"]]
        if locale is None or lookup(templates.locales, locale) is not None:
            return ()
        known = ", ".join(templates.locales)
        detail = f"has no wording; messages are in {templates.nearest(locale)!r}. There is {known}"
        return (FieldError("/locale", "no_wording", detail),)

    def kind(self, name: object) -> NotifierSpec:
        """Return the kind called `name`, or raise `InvalidInput` with a list of the kinds."""
        kind = self.kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            raise InvalidInput([self._unknown_kind(name)])
        return kind

    def _unknown_kind(self, name: object) -> FieldError:
        code, detail, hint = "unknown_kind", "unknown kind", ""
        if name is None:
            code, detail = "missing", "is required"
        elif isinstance(name, str) and len(name) <= _MAX_NAME:
            detail = f"unknown kind {name!r}"
            nearest = self.kinds.nearest(name)
            hint = f"; did you mean {nearest!r}?" if nearest else ""
        known = ", ".join(self.kinds)
        return FieldError("/kind", code, f"{detail}; expected one of {known}{hint}")

    def _send_at(self, request: NotificationRequest, now: int) -> datetime | None:
        if request.delay is None:
            return request.send_at
        if request.send_at is not None:
            error = FieldError("/delay", "conflict", "must not be given together with send_at")
            raise InvalidInput([error])
        try:
            return resolve(request.delay, now, self.zone)
        except ValueError as error:
            raise InvalidInput([FieldError.of("/delay", error)]) from None

    def _check_sizes(self, document: Mapping[str, Any]) -> None:
        """Refuse what is too long, before anything looks at its content."""
        to, languages = document.get("to"), document.get("texts")
        errors: list[FieldError] = []
        texts = [("", document)] if languages is None else [("", document), *texts_in(languages)]
        for pointer, text in texts:
            title, body = text.get("title"), text.get("body")
            if isinstance(title, str) and len(title) > self.limits.title:
                error = (len(title), self.limits.title, "characters")
                errors.append(_too_long(f"{pointer}/title", *error))
            if isinstance(body, str):
                size = len(body.encode(errors="surrogatepass"))
                if size > self.limits.body:
                    error = (size, self.limits.body, "bytes of UTF-8")
                    errors.append(_too_long(f"{pointer}/body", *error))
        if isinstance(to, list) and len(to) > self.limits.recipients:
            errors.append(_too_long("/to", len(to), self.limits.recipients, "entries"))
        if errors:
            raise InvalidInput(errors)

    def _check_whole(
        self,
        kind: NotifierSpec,
        request: NotificationRequest,
        data: Mapping[str, Any],
        send_at: datetime | None,
        now: int,
    ) -> None:
        """Check whatever depends on several fields or on the settings."""
        errors = [
            FieldError(f"/data/{field}", "missing", "is required by the templates of this kind")
            for field in sorted(self.templates[kind.kind].needed - data.keys())
        ]
        if request.expires_at is not None:
            if milliseconds(request.expires_at) <= now:
                errors.append(FieldError("/expires_at", "in_the_past", "must not be in the past"))
            elif send_at is not None and request.expires_at <= send_at:
                name = "send_at" if request.delay is None else "the delay"
                errors.append(FieldError("/expires_at", "too_early", f"must be after {name}"))
        if errors:
            raise InvalidInput(errors)


def check_fields(document: Mapping[str, Any]) -> None:
    """Refuse a document with very many fields: listing the unknown ones would take too long."""
    for pointer, part in (("", document), ("/data", document.get("data"))):
        if isinstance(part, dict) and len(part) > _MAX_FIELDS:
            raise InvalidInput([_too_long(pointer, len(part), _MAX_FIELDS, "fields")])


def _reaches(kind: NotifierSpec, channels: Collection[str] | None, recipients: Recipients) -> bool:
    """Return whether a request would reach anybody. What addresses people have is not asked."""
    if channels is None or recipients.people:
        return True
    schemes = _schemes(kind, channels)
    return any(recipient.scheme in schemes for recipient in recipients.addresses.values())


def _no_recipient(kind: NotifierSpec, channels: Collection[str]) -> InvalidInput:
    takes = " or ".join(f"{scheme}:" for scheme in sorted(_schemes(kind, channels)))
    detail = f"reach no recipient: `to` has no {takes} address"
    return InvalidInput([FieldError("/channels", "no_recipient", detail)])


def _schemes(kind: NotifierSpec, channels: Collection[str]) -> set[str]:
    return {kind.channels[name].scheme for name in channels}


def _misplaced(error: FieldError, kind: NotifierSpec) -> FieldError:
    """Return the error, with a hint if a field of the kind is outside `data`."""
    if error.code == "unknown_field" and error.pointer[1:] in kind.fields:
        return replace(error, detail=f"unknown field; {error.pointer[1:]} belongs in data")
    return error


def _too_long(pointer: str, size: int, limit: int, unit: str) -> FieldError:
    code = "too_many" if unit in ("entries", "fields") else "too_long"
    return FieldError(pointer, code, f"must have at most {limit} {unit}; has {size}")
