"""SMS segments: how long a text is on the air, and how to shorten it to fit (3GPP TS 23.038)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flashnotify.channels.shortening import shorten

# 3GPP TS 23.038, section 6.2.1: the default alphabet, and its extension, whose characters take two
# septets each.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("^{}\\[~]|€\f")


class Encoding(StrEnum):
    """How an SMS is encoded."""

    gsm7 = "gsm7"
    ucs2 = "ucs2"


# Units of a lone segment, and of each of several (section 9.2.3.24.1 of 3GPP TS 23.040 takes 6
# octets of a concatenated segment's 140).
_CAPACITY = {Encoding.gsm7: (160, 153), Encoding.ucs2: (70, 67)}
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Segmented:
    """A text that fits: its encoding and its number of segments."""

    text: str
    encoding: Encoding
    segments: int


def encoding_of(text: str) -> Encoding:
    """GSM-7 if that can say `text`, else UCS-2."""
    return Encoding.gsm7 if set(text) <= _BASIC | _EXTENSION else Encoding.ucs2


def segments(text: str, encoding: Encoding) -> int:
    """How many segments `text` takes. A character is never split over two segments."""
    alone, shared = _CAPACITY[encoding]
    widths = [_width(character, encoding) for character in text]
    if sum(widths) <= alone:
        return 1
    count, used = 1, 0
    for width in widths:
        if used + width > shared:
            count, used = count + 1, 0
        used += width
    return count


def fit(text: str, most: int) -> Segmented:
    """`text` in at most `most` segments: whole if it fits, else shortened at a word with `…`.

    GSM-7 has no such character, and says it as three dots.
    """
    encoding = encoding_of(text)
    # No text of more characters fits: what is counted below is never long.
    room = _CAPACITY[encoding][0] * most
    if len(text) <= room and (needed := segments(text, encoding)) <= most:
        return Segmented(text, encoding, needed)
    mark = _ELLIPSIS if encoding is Encoding.ucs2 else "..."
    shortened = shorten(text[: room + 1], lambda some: segments(some, encoding) <= most, mark)
    return Segmented(shortened, encoding, segments(shortened, encoding))


def _width(character: str, encoding: Encoding) -> int:
    if encoding is Encoding.gsm7:
        return 2 if character in _EXTENSION else 1
    # Beyond the Basic Multilingual Plane a character is a surrogate pair.
    return 2 if ord(character) > 0xFFFF else 1
