"""The link with which people unsubscribe, at the end of each email, in a body encoded only once."""

import re
from collections.abc import Mapping
from html import escape
from typing import NamedTuple

from flashnotify.channels.email.headers import MalformedMessage

# A link must not end the body, or a line of it, nor be read as markup or as quoted-printable.
_TOKEN = re.compile(r"[A-Za-z0-9._-]+")
# RFC 2045, section 6.7: quoted-printable text is folded anywhere.
_FOLD = rb"=\r\n"
_SEPARATOR = "\n-- \n"


class _Words(NamedTuple):
    reason: str
    unsubscribe: str


_WORDS: Mapping[str, _Words] = {
    "en": _Words(
        "You get emails like this because you are in the campus directory.",
        "Unsubscribe from such emails",
    ),
    "fr": _Words(
        "Vous recevez ce type de courriel parce que vous figurez dans l’annuaire du campus.",
        "Se désabonner de ce type de courriel",
    ),
}
_HTML = (
    "<p style=\"margin:12px 20px;color:#5b6370;font-family:system-ui,-apple-system,'Segoe UI',"
    'Roboto,Arial,sans-serif;font-size:13px;text-align:center" class="faint">{reason}<br>\n'
    '<a href="{link}" style="color:inherit">{unsubscribe}</a></p>\n'
)


def linked_text(text: str, locale: str, link: str) -> str:
    """Return the text part of an email with `link` in its signature."""
    words = _words(locale)
    separator = "\n" if _SEPARATOR in text else f"\n{_SEPARATOR}"
    return f"{text}{separator}{words.reason}\n{words.unsubscribe}\n{link}"


def linked_html(html: str, locale: str, link: str) -> str:
    """Return the HTML part of an email with `link` at the end of its body."""
    words = _words(locale)
    shown = _HTML.format(reason=words.reason, unsubscribe=words.unsubscribe, link=escape(link))
    body, end, rest = html.rpartition("</body>")
    return f"{body}{shown}{end}{rest}" if end else f"{html}\n{shown}"


def _words(locale: str) -> _Words:
    language = locale.replace("_", "-").partition("-")[0].lower()
    return _WORDS.get(language, _WORDS["en"])


class LinkedMime:
    """A MIME message with a gap, of letters and digits, for what differs in recipients' links.

    To encode the body takes a millisecond, to fill the gap a microsecond.
    """

    def __init__(self, mime: bytes, gap: str) -> None:
        """Find the gap, which a fold may divide."""
        fold = rb"(?:" + _FOLD + rb")?"
        found = re.compile(fold.join(bytes([octet]) for octet in gap.encode()))
        self._parts: list[bytes | slice] = []
        end = 0
        for match in found.finditer(mime):
            self._parts.append(mime[end : match.start()])
            self._add_gap(match.group().split(_FOLD))
            end = match.end()
        self._parts.append(mime[end:])
        self._length = len(gap)

    def _add_gap(self, pieces: list[bytes]) -> None:
        start = 0
        for number, piece in enumerate(pieces):
            if number:
                self._parts.append(_FOLD)
            self._parts.append(slice(start, start + len(piece)))
            start += len(piece)

    def filled(self, token: str) -> bytes:
        """Return the message with `token`, which is as long as the gap.

        A token is letters, digits, dots, hyphens and underscores: none needs an encoding. Raise
        `MalformedMessage` if it is anything else.
        """
        if len(token) != self._length or not _TOKEN.fullmatch(token):
            raise MalformedMessage("its link to unsubscribe does not fit")
        octets = token.encode("ascii")
        return b"".join(octets[part] if isinstance(part, slice) else part for part in self._parts)
