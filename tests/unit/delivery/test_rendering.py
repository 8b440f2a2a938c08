"""Render notifications with the templates of their kind."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from flashnotify.archive.records import Notification
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.delivery.rendering import Renderer
from flashnotify.domain import NotificationStatus, Priority
from flashnotify.errors import DeclarationError
from flashnotify.meta import Moment, Notifier, Templates, Text, Wording, descriptors
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import ChannelSpec, NotifierSpec, TemplatesSpec

EMAIL: ChannelSpec = EmailMixin.__channel__
KINDS: Registry[NotifierSpec] = Registry("kind")
TEMPLATES: Registry[TemplatesSpec] = Registry("template set")


class LectureNotifier(EmailMixin, Notifier, registry=KINDS):
    """A lecture."""

    room = Text()
    starts_at = Moment()
    priority = descriptors.Priority(default="low")


class LectureTemplates(Templates, of=LectureNotifier, registry=TEMPLATES):
    en = Wording(
        subject="{{ title }} ({{ priority }})",
        text="{{ body }} {{ room | default('?') }} {{ starts_at | default('') }}",
        html="{{ body }}",
    )
    fr = Wording(subject="Cours : {{ title }}", text="{{ body }}", html="{{ body }}")


def notification(locale: str = "en", kind: str = "lecture", **data: Any) -> Notification:
    one = UUID(int=1)
    return Notification(
        one, kind, "Algebra", "Moved.", data, (), Priority.high, None, locale, None, None, None,
        "local", NotificationStatus.sending, 0, 0,
    )  # fmt: skip


def text(zone: str | None = None, **data: Any) -> str:
    """Return the text of an email."""
    renderer = Renderer(KINDS, TEMPLATES, ZoneInfo(zone) if zone else None)
    found = notification(**data)
    rendering = renderer.render(found, renderer.notifier(found), EMAIL, "en")
    return rendering.parts["text"]


def test_each_part_of_the_channel_is_rendered() -> None:
    renderer, found = Renderer(KINDS, TEMPLATES, None), notification(room="B1")
    notifier = renderer.notifier(found)
    rendering = renderer.render(found, notifier, EMAIL, "en")
    assert isinstance(notifier, LectureNotifier)
    assert notifier.room == "B1"
    assert rendering.locale == "en"
    assert rendering.parts.keys() == {"subject", "text", "html"}
    assert rendering.parts["subject"] == "Algebra (high)"
    assert rendering.parts["text"] == "Moved. B1"


@pytest.mark.parametrize(
    ("locale", "found"), [("fr", "fr"), ("fr-CA", "fr"), ("FR", "fr"), ("de", "en")]
)
def test_the_nearest_locale_is_used(locale: str, found: str) -> None:
    renderer, found_in = Renderer(KINDS, TEMPLATES, None), notification()
    rendering = renderer.render(found_in, renderer.notifier(found_in), EMAIL, locale)
    assert rendering.locale == found


def test_an_optional_field_may_be_missing() -> None:
    assert text() == "Moved. ?"


def test_moments_are_shown_in_the_time_of_the_campus() -> None:
    moment = "2026-12-01T08:00:00+00:00"
    assert text("Asia/Kolkata", starts_at=moment) == "Moved. ? 2026-12-01 13:30:00+05:30"
    # Without a zone: with the offset that they came with.
    assert text(starts_at="2026-12-01T08:00:00+05:00") == "Moved. ? 2026-12-01 08:00:00+05:00"


def test_a_moment_that_has_no_date_in_that_zone_is_shown_as_it_came() -> None:
    assert text("Asia/Kolkata", starts_at="9999-12-31T23:00:00+00:00").endswith(
        "9999-12-31 23:00:00+00:00"
    )


def test_a_field_that_the_kind_has_no_more_is_an_error() -> None:
    with pytest.raises(ValueError, match="gone"):
        text(gone="x")


def test_every_kind_must_have_templates() -> None:
    with pytest.raises(DeclarationError, match=r"class LectureTemplates\(Templates, of=Lecture"):
        Renderer(KINDS, Registry("template set"), None)
