"""The languages of pages: English, and those that have a catalogue in `locale/`."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from babel import negotiate_locale
from markupsafe import Markup

ENGLISH = "en"
_FOLDER = Path(__file__).parent / "locale"
# Languages of a header that are looked at.
_MOST = 10
_STRING = r'"(?:[^"\\]|\\.)*"'
_ENTRY = re.compile(rf"^msgid ((?:{_STRING}\s*)+)msgstr ((?:{_STRING}\s*)+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Language:
    """A language, with the translations of our English messages."""

    tag: str
    messages: Mapping[str, str]

    def translate(self, message: str, /, **values: Any) -> Markup:
        """Return a message in this language, with `values` in it, which are escaped."""
        text = Markup(self.messages.get(message, message))  # noqa: S704  # our own text
        return text % values if values else text


@dataclass(frozen=True)
class Languages:
    """All languages of pages, each read when it is first needed."""

    default: str
    _read: dict[str, Language] = field(default_factory=dict)

    @cached_property
    def known(self) -> list[str]:
        """The tags of all languages."""
        return [ENGLISH, *sorted(file.stem for file in _FOLDER.glob("*.po"))]

    def best(self, own: str | None, accepted: str | None) -> Language:
        """Return the language for a person's `own` locale and an `Accept-Language` header."""
        wanted = [own, *_ranges(accepted or ""), self.default]
        tags = [tag.replace("_", "-") for tag in wanted if tag]
        tag = negotiate_locale(tags, self.known, sep="-") or ENGLISH
        if tag not in self._read:
            file = _FOLDER / f"{tag}.po"
            self._read[tag] = Language(tag, read_catalogue(file) if tag != ENGLISH else {})
        return self._read[tag]


def read_catalogue(file: Path) -> Mapping[str, str]:
    """Return the translations in a gettext catalogue.

    Babel has a reader, but importing it holds the event loop for tens of milliseconds.
    """
    found = {}
    for entry in _ENTRY.finditer(file.read_text("utf-8")):
        message, translation = (
            "".join(json.loads(part) for part in re.findall(_STRING, text))
            for text in entry.groups()
        )
        if message and translation:
            found[message] = translation
    return found


def _ranges(header: str) -> list[str]:
    """Return the languages of an `Accept-Language` header (RFC 9110, section 12.5.4)."""
    found = []
    for part in header.split(",")[:_MOST]:
        tag, _, weight = part.partition(";")
        quality = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", weight)
        found.append((float(quality[1]) if quality else 1.0, tag.strip()))
    best_first = sorted(found, key=lambda weighted: -weighted[0])
    return [tag for quality, tag in best_first if quality and re.fullmatch(r"[A-Za-z0-9-]+", tag)]
