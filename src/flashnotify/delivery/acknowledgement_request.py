"""What a message says to be acknowledged, with its link: for templates, and for short texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from flashnotify.meta.language_lookup import lookup


class _Words(NamedTuple):
    request: str
    button: str
    brief: str


_WORDS: Mapping[str, _Words] = {
    "en": _Words("Please confirm that you have read this:", "I have read this", "Confirm: "),
    "fr": _Words(
        "Merci de confirmer que vous avez lu ce message\N{NO-BREAK SPACE}:",
        "J’ai lu ce message",
        "Confirmez : ",
    ),
}
_BUTTON = (
    "display:inline-block;padding:12px 20px;background:#1d4ed8;color:#ffffff;border-radius:6px;"
    "text-decoration:none;font-weight:bold"
)
_SIGNATURE, _END = "\n-- \n", "</body>"


@dataclass(frozen=True, slots=True)
class AcknowledgementRequest:
    """Asks to acknowledge with `link`. Templates show it as text, or as a button in HTML."""

    link: str
    language: str

    @property
    def _words(self) -> _Words:
        return _WORDS[lookup(_WORDS, self.language) or "en"]

    def __str__(self) -> str:
        return f"{self._words.request}\n{self.link}"

    def __html__(self) -> str:
        return f'<a href="{escape(self.link)}" style="{_BUTTON}">{self._words.button}</a>'

    @property
    def brief(self) -> str:
        """What a short message ends with."""
        return f"\n{self._words.brief}{self.link}"

    def within(self, parts: Mapping[str, str]) -> Mapping[str, str]:
        """Return the parts of a message, with the link in those of an email that lack it."""
        found = dict(parts)
        if self.link not in found.get("text", self.link):
            text, signature, end = found["text"].partition(_SIGNATURE)
            found["text"] = f"{text.rstrip()}\n\n{self}\n{signature}{end}".rstrip()
        if escape(self.link) not in found.get("html", escape(self.link)):
            html, body, end = found["html"].rpartition(_END)
            found["html"] = f"{html or end}<p>{self.__html__()}</p>\n{body}{end if html else ''}"
        return found
