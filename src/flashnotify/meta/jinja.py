"""The Jinja environments of message templates, and the filters that they add."""

import re
from datetime import datetime

import phonenumbers
from babel.dates import format_datetime
from jinja2 import Environment, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape


@pass_context
def moment(context: Context, value: datetime, style: str = "full") -> str:
    """Format a moment for the template's locale, in the moment's own offset.

    `style` is "full", or "short" for SMS and push. The offset is named in the hour that clocks show
    twice.
    """
    locale = str(context["locale"]).replace("-", "_")
    form = _FORMATS[style].get(locale.partition("_")[0], _FORMATS[style][""])
    if value.replace(fold=0).utcoffset() != value.replace(fold=1).utcoffset():
        form += "\N{NO-BREAK SPACE}(ZZZZ)"
    return format_datetime(value, form, locale=locale)


# "août" is not in GSM-7, so the short form in French uses numbers.
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
    """Turn plain text into HTML: escape it, keep its line breaks and link its web addresses."""
    text = value.replace("\r\n", "\n").strip()
    pieces: list[str] = []
    end = 0
    for link in _LINK.finditer(text):
        address = escape(link[0])
        pieces += (escape(text[end : link.start()]), f'<a href="{address}">{address}</a>')
        end = link.end()
    pieces.append(escape(text[end:]))
    return Markup("".join(pieces).replace("\n", "<br>\n"))  # noqa: S704  # each piece is escaped


# A web address excludes the punctuation that ends its sentence, and a `)` without its `(`.
_LINK = re.compile(
    r"""https?://[^\s<>"«»()]+(?:\([^\s<>"«»()]*\)[^\s<>"«»()]*)*(?<![.,;:!?'’])""", re.IGNORECASE
)


def phone(value: str) -> str:
    """Format an E.164 number with the spaces that are usual in its country."""
    number = phonenumbers.parse(value)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


_TEXT = Environment(
    autoescape=False,  # noqa: S701  # for the parts that are plain text
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEXT.filters |= {"moment": moment, "phone": phone, "prose": prose}
_HTML = _TEXT.overlay(autoescape=True)


def environment(part: str) -> Environment:
    """Return the environment of a message part: only `html` is escaped."""
    return _HTML if part == "html" else _TEXT
