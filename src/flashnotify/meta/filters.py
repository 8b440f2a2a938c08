"""What templates can do with a value beyond what Jinja brings."""

from __future__ import annotations

import re
from datetime import datetime

import phonenumbers
from babel.dates import format_datetime
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape


@pass_context
def moment(context: Context, value: datetime, style: str = "full") -> str:
    """A moment as people of the template's locale write it, in its own offset.

    `style` is "full", or "short" for SMS and push.
    """
    locale = str(context["locale"]).replace("-", "_")
    form = _FORMATS[style].get(locale.partition("_")[0], _FORMATS[style][""])
    return format_datetime(value, form, locale=locale)


# "août" is not in GSM-7: the short form in French has numbers.
_FORMATS = {
    "full": {
        "fr": "EEEE d MMMM y 'à'\N{NO-BREAK SPACE}HH'h'mm",
        "en": "EEEE d MMMM y 'at'\N{NO-BREAK SPACE}HH:mm",
        "": "EEEE d MMMM y, HH:mm",
    },
    "short": {
        "fr": "EEE dd/MM 'à'\N{NO-BREAK SPACE}HH'h'mm",
        "en": "EEE d MMM 'at'\N{NO-BREAK SPACE}HH:mm",
        "": "EEE d MMM, HH:mm",
    },
}


def prose(value: str) -> Markup:
    """A person's text as HTML: escaped, its lines kept, its web addresses made links."""
    text = value.replace("\r\n", "\n").strip()
    pieces: list[str] = []
    end = 0
    for link in _LINK.finditer(text):
        address = escape(link[0])
        pieces += (escape(text[end : link.start()]), f'<a href="{address}">{address}</a>')
        end = link.end()
    pieces.append(escape(text[end:]))
    return Markup("".join(pieces).replace("\n", "<br>\n"))  # noqa: S704  # each piece is escaped


# A web address ends before the punctuation of its sentence, and before a `)` that it did not open.
_LINK = re.compile(
    r"""https?://[^\s<>"«»()]+(?:\([^\s<>"«»()]*\)[^\s<>"«»()]*)*(?<![.,;:!?'’])""", re.IGNORECASE
)


def phone(value: str) -> str:
    """An E.164 number with the spaces that people of its country write it with."""
    number = phonenumbers.parse(value)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
