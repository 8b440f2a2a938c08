"""The messages of every kind, compared with reviewed golden files.

After a change: `GOLDEN=write make test ARGS="tests/unit/kinds/test_messages.py"`. Then read the git
diff, and open the HTML in a browser: on a narrow screen, and on a dark one.
"""

import os
from html.parser import HTMLParser
from pathlib import Path

import pytest

from flashnotify import kinds
from flashnotify.channels.sms.segments import Segmented, economical
from flashnotify.domain import Rendering
from flashnotify.meta import Text
from flashnotify.meta.registry import NOTIFIERS, TEMPLATES
from tests.support.examples import EXAMPLES, Example

GOLDEN = Path(__file__).parent / "golden"
KINDS = list(EXAMPLES)
LOCALES = ["en", "fr"]
PARTS = ("subject", "text", "html", "sms", "push_title", "push")
# An SMS of typical content, in one language or the other, needs no more (and no UCS-2).
SEGMENTS = 2

DECLARATIONS = kinds  # importing them registers them


def rendered(kind: str, locale: str, example: Example) -> Rendering:
    notifier = NOTIFIERS[kind].notifier(**example["data"])
    values = {
        **notifier.values(),
        "title": example["title"],
        "body": example["body"],
        "priority": "high",
    }
    return TEMPLATES[kind].render(locale, PARTS, values)


def required_only(kind: str, example: Example) -> Example:
    """Return the example with its required fields alone."""
    fields = NOTIFIERS[kind].fields
    data = {name: value for name, value in example["data"].items() if fields[name].required}
    return example | {"data": data}


def sms(kind: str, locale: str, example: Example) -> Segmented:
    return economical(rendered(kind, locale, example).parts["sms"], SEGMENTS)


def in_writing(rendering: Rendering) -> str:
    """Return the plain-text parts as one file."""
    short = economical(rendering.parts["sms"], SEGMENTS)
    headings = {"sms": f"sms, {short.encoding}, segments: {short.segments}"}
    parts = {**rendering.parts, "sms": short.text}
    return "".join(
        f"=== {headings.get(part, part)}\n{parts[part]}\n" for part in PARTS if part != "html"
    )


def test_every_kind_has_a_complete_example_in_each_language() -> None:
    declared = {
        spec.kind
        for spec in NOTIFIERS.values()
        if spec.notifier.__module__.startswith(kinds.__name__)
    }
    assert set(EXAMPLES) == declared
    for kind, locales in EXAMPLES.items():
        assert list(locales) == LOCALES
        for example in locales.values():
            assert example["data"].keys() == NOTIFIERS[kind].fields.keys()


@pytest.mark.parametrize("fields", ["all", "required"])
@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_messages_match_the_golden_files(kind: str, locale: str, fields: str) -> None:
    example = EXAMPLES[kind][locale]
    if fields == "required":
        example = required_only(kind, example)
    rendering = rendered(kind, locale, example)
    assert "\n\n\n" not in rendering.parts["text"]
    for suffix, found in (("txt", in_writing(rendering)), ("html", rendering.parts["html"] + "\n")):
        file = GOLDEN / f"{kind}.{locale}.{fields}.{suffix}"
        if os.environ.get("GOLDEN") == "write":
            file.write_text(found)
        assert found == file.read_text()


def test_every_golden_file_belongs_to_a_message() -> None:
    expected = {
        f"{kind}.{locale}.{fields}.{suffix}"
        for kind in KINDS
        for locale in LOCALES
        for fields in ("all", "required")
        for suffix in ("txt", "html")
    }
    assert {file.name for file in GOLDEN.iterdir()} == expected


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_typical_sms_fits_and_a_long_one_keeps_its_details(kind: str, locale: str) -> None:
    example = EXAMPLES[kind][locale]
    whole = sms(kind, locale, example)
    assert whole.encoding == "gsm7"
    assert not whole.text.endswith("...")
    cut = sms(kind, locale, example | {"body": "word " * 100})
    essential = whole.text.split("\n")[: whole.text.count("\n") - example["body"].count("\n\n")]
    assert cut.text.split("\n")[:-1] == essential
    assert cut.text.endswith("word...")


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_html_escapes_the_text_of_a_sender(kind: str, locale: str) -> None:
    example = EXAMPLES[kind][locale]
    attack = "<script>alert('1')</script>\"'><b onload=x> {{ 7*7 }}"
    notifier = NOTIFIERS[kind]
    data = {
        name: attack if isinstance(field, Text) else example["data"][name]
        for name, field in notifier.fields.items()
    }
    parts = rendered(kind, locale, {"title": attack, "body": attack, "data": data}).parts
    tags = Tags()
    tags.feed(parts["html"])
    assert not tags.found & {"script", "b"}
    assert "onload" not in tags.attributes
    assert attack in tags.text
    assert attack in parts["text"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_html_loads_nothing_and_its_links_are_those_of_the_body(kind: str) -> None:
    example = EXAMPLES[kind]["en"] | {"body": "See https://univ.example/a?b=1&c=2.\r\nThanks."}
    tags = Tags()
    tags.feed(rendered(kind, "en", example).parts["html"])
    assert not tags.found & {"img", "link", "iframe", "form", "video", "audio", "object"}
    assert tags.links == ["https://univ.example/a?b=1&c=2"]
    assert "url(" not in rendered(kind, "en", example).parts["html"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_push_stays_within_the_limit_of_push_services(kind: str) -> None:
    # RFC 8291, section 4: 4096 octets, of which the encryption takes 103 and JSON its own.
    long = "éàç " * 2000
    example = EXAMPLES[kind]["fr"]
    data = {
        name: long[: field.max_length] if isinstance(field, Text) else example["data"][name]
        for name, field in NOTIFIERS[kind].fields.items()
    }
    parts = rendered(kind, "fr", {"title": long[:200], "body": long, "data": data}).parts
    assert len((parts["push_title"] + parts["push"]).encode()) < 3500


class Tags(HTMLParser):
    """Parses an HTML part as a mail client does."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str | None] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "a":
            self.links.append(dict(attrs).get("href"))

    def handle_data(self, data: str) -> None:
        self.text += data
