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

from flashnotify.api.headers import by_preference

ENGLISH = "en"
_FOLDER = Path(__file__).parent / "locale"
_TAG = re.compile(r"[A-Za-z0-9_-]+")
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
        wanted = [own, *by_preference(accepted or ""), self.default]
        tags = [tag.replace("_", "-") for tag in wanted if tag and _TAG.fullmatch(tag)]
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
