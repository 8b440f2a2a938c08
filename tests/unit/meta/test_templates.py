"""Templates are checked when they are declared, so that sending does not fail."""

from datetime import datetime
from typing import Any

import pytest

from flashnotify.channels.email.channel import EmailMixin
from flashnotify.errors import DeclarationError
from flashnotify.meta import Moment, Notifier, Priority, Templates, Text, Wording
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec, TemplatesSpec
from flashnotify.meta.templates import TemplateMeta

KINDS: Registry[NotifierSpec] = Registry("kind")


class LabNotifier(EmailMixin, Notifier, registry=KINDS):
    """A laboratory."""

    course = Text(required=True)
    room = Text()
    starts_at = Moment()
    priority = Priority(default="low")


def wording(text: str = "{{ body }}", **more: str) -> Wording:
    """Return a wording with every part that email needs."""
    return Wording(**{"subject": "{{ title }}", "text": text, "html": "<p>{{ body }}</p>"} | more)


def compiled(**locales: Wording) -> TemplatesSpec:
    """Compile templates of the laboratory."""
    registry: Registry[TemplatesSpec] = Registry("template set")
    TemplateMeta("LabTemplates", (Templates,), dict(locales), of=LabNotifier, registry=registry)
    return registry["lab"]


VALUES: dict[str, Any] = {"title": "T", "body": "B", "priority": "low", "course": "ALG-2"}


def text(spec: TemplatesSpec, locale: str = "en", **values: Any) -> str:
    """Render the text in a locale."""
    return spec.render(locale, ("text",), VALUES | values).parts["text"]


@pytest.mark.parametrize(
    ("locales", "message"),
    [
        ({"fr": wording("a\n{% if %}")}, r"LabTemplates\.fr text, line 2: "),
        ({"fr": wording("{{ room")}, r"LabTemplates\.fr text, line 1: "),
        (
            {"fr": wording(html="{{ coarse }}")},
            r"LabTemplates\.fr html: uses 'coarse', which LabNotifier does not declare; expected "
            r"one of acknowledgement, body, course, locale, priority, room, starts_at, title\.",
        ),
        ({"fr": Wording(subject="a", text="b")}, r"LabTemplates\.fr: LabNotifier also needs html"),
        ({}, r"LabTemplates: has no locale; write `en = Wording"),
    ],
)
def test_an_invalid_wording_fails_at_import(locales: dict[str, Wording], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        compiled(**locales)


def test_a_second_set_for_a_kind_is_refused() -> None:
    registry: Registry[TemplatesSpec] = Registry("template set")

    class LabTemplates(Templates, of=LabNotifier, registry=registry):
        en = wording()

    with pytest.raises(DeclarationError, match="a template set named 'lab' is already declared"):

        class MoreLabTemplates(Templates, of=LabNotifier, registry=registry):
            en = wording()


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ("{{ course }} {{ title }} {{ body }} {{ locale }} {{ priority }}", set()),
        ("{{ room }}", {"room"}),
        ("{{ starts_at | moment }} {{ room }}", {"room", "starts_at"}),
        ("{% if room is defined %}{{ room }}{% endif %}", set()),
        ("{% if room is defined %}{{ starts_at }}{% endif %}", {"starts_at"}),
        (
            "{% if room is defined and starts_at is defined %}{{ room }}{{ starts_at }}{% endif %}",
            set(),
        ),
        ("{% if room is defined or course == 'x' %}{{ room }}{% endif %}", {"room"}),
        ("{% if room is defined and room == 'A' %}x{% endif %}", set()),
        ("{% if room == 'A' and room is defined %}x{% endif %}", {"room"}),
        ("{% if room is defined %}x{% else %}{{ room }}{% endif %}", {"room"}),
        ("{% if course == 'x' %}y{% elif room %}z{% endif %}", {"room"}),
        ("{% if course == 'x' %}{{ room }}{% endif %}", {"room"}),
        ("{% if room %}{{ room }}{% endif %}", {"room"}),
        ("{{ room is defined }}", set()),
    ],
)
def test_fields_used_without_a_test_are_needed(source: str, needed: set[str]) -> None:
    spec = compiled(en=wording(source))
    assert spec.needed == needed
    # It renders with the fields that it needs, and no others.
    given: dict[str, Any] = {
        "room": "B204",
        "starts_at": datetime.fromisoformat("2026-12-12T09:00:00+01:00"),
    }
    text(spec, **{name: given[name] for name in needed})


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("fr", "fr"),
        ("fr-CA", "fr-CA"),
        ("fr_CA", "fr-CA"),
        ("fr-ca", "fr-CA"),
        ("FR", "fr"),
        ("fr-CH", "fr"),
        ("fr-CA-x-old", "fr-CA"),
        ("en-GB", "en"),
        ("de", "en"),
    ],
)
def test_the_nearest_locale_is_used(asked: str, got: str) -> None:
    spec = compiled(
        en=wording("{{ locale }}"), fr=wording("{{ locale }}"), fr_CA=wording("{{ locale }}")
    )
    rendering = spec.render(asked, ("text",), VALUES)
    assert rendering.locale == got
    assert rendering.parts == {"text": got}


def test_the_first_locale_is_the_fallback() -> None:
    assert text(compiled(fr=wording("bonjour"), en=wording("hello")), "de") == "bonjour"


def test_html_is_escaped_and_text_is_not() -> None:
    spec = compiled(en=wording("{{ course }}", subject="{{ course }}", html="<p>{{ course }}</p>"))
    parts = spec.render("en", ("subject", "text", "html"), VALUES | {"course": "<b>&"}).parts
    assert parts == {"subject": "<b>&", "text": "<b>&", "html": "<p>&lt;b&gt;&amp;</p>"}


@pytest.mark.parametrize(
    ("locale", "shown"),
    [
        ("fr", "samedi 12 décembre 2026 à\N{NO-BREAK SPACE}09h00"),
        ("en", "Saturday 12 December 2026 at\N{NO-BREAK SPACE}09:00"),
        ("de", "Samstag 12 Dezember 2026, 09:00"),
    ],
)
def test_a_moment_is_formatted_for_its_language_in_its_own_offset(locale: str, shown: str) -> None:
    spec = compiled(**{locale: wording("{{ starts_at | moment }}")})
    at = datetime.fromisoformat("2026-12-12T09:00:00+05:00")
    assert text(spec, locale, starts_at=at) == shown
