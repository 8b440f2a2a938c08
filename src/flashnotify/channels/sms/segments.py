"""SMS segments: the number that a text takes, and making it fit (3GPP TS 23.038)."""

import re
import unicodedata
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
    """An encoding of SMS."""

    gsm7 = "gsm7"
    ucs2 = "ucs2"


# Units in a single segment, and in each of several (section 9.2.3.24.1 of 3GPP TS 23.040 takes 6
# octets of a concatenated segment's 140).
_CAPACITY = {Encoding.gsm7: (160, 153), Encoding.ucs2: (70, 67)}


@dataclass(frozen=True, slots=True)
class Segmented:
    """A text that fits, with its encoding and its number of segments."""

    text: str
    encoding: Encoding
    segments: int


def encoding_of(text: str) -> Encoding:
    """Return GSM-7 if it has all characters of `text`, else UCS-2."""
    return Encoding.gsm7 if set(text) <= _BASIC | _EXTENSION else Encoding.ucs2


def segments(text: str, encoding: Encoding) -> int:
    """Return how many segments `text` takes. No character is split between two segments."""
    alone, shared = _CAPACITY[encoding]
    # Outside the Basic Multilingual Plane, UCS-2 takes a surrogate pair.
    wide = _EXTENSION if encoding is Encoding.gsm7 else {c for c in text if c > "\uffff"}
    widths = [2 if character in wide else 1 for character in text]
    if sum(widths) <= alone:
        return 1
    count, used = 1, 0
    for width in widths:
        if used + width > shared:
            count, used = count + 1, 0
        used += width
    return count


def fit(text: str, max_segments: int, ending: str = "") -> Segmented:
    """Return `text` in at most `max_segments` segments, shortened at a word with `…` if needed.

    GSM-7 has no such character: there it is three dots. The `ending` is never cut.
    """
    whole = text + ending
    encoding = encoding_of(whole)
    # A text of more characters never fits, so we never count a long one.
    room = _CAPACITY[encoding][0] * max_segments
    if len(whole) <= room and (needed := segments(whole, encoding)) <= max_segments:
        return Segmented(whole, encoding, needed)
    mark = "…" if encoding is Encoding.ucs2 else "..."
    cut = text[: room + 1]
    shortened = shorten(cut, lambda it: segments(it, encoding) <= max_segments, mark, ending)
    return Segmented(shortened, encoding, segments(shortened, encoding))


def economical(text: str, max_segments: int, ending: str = "") -> Segmented:
    """Return `text` in at most `max_segments` segments, in characters that cost little.

    With one `’` a segment holds 70 characters, not 160. Accents and other details that GSM-7 lacks
    (`ê`, `²`) go only if the text would be cut otherwise, and fits GSM-7 without them.
    """
    plain = _plain(text, max_segments)
    for candidate in (plain, _JOINERS.sub("", plain)):
        fitted = fit(candidate, max_segments, ending)
        if fitted.text == candidate + ending:
            return fitted
    reduced = _reduced(plain)
    simplest = reduced if encoding_of(reduced) is Encoding.gsm7 else plain
    return fit(simplest, max_segments, ending)


def _plain(text: str, max_segments: int) -> str:
    """Return the text with single spaces, composed, and without what has no shape."""
    # Far more than can fit, to bound the work.
    text = text[: 4000 * max_segments]
    invisible = {ord(character): None for character in set(text) if _is_shapeless(character)}
    text = text.translate(invisible)
    # `split` also removes no-break spaces, which GSM-7 lacks.
    lines = (" ".join(line.split()) for line in text.splitlines())
    text = "\n".join(line for line in lines if line)[: 300 * max_segments]
    text = unicodedata.normalize("NFC", _USELESS_JOINERS.sub("", text))
    # French has spaces inside its quotation marks.
    text = text.replace("« ", '"').replace(" »", '"')
    return text.translate(_LOOK_ALIKES)


def _is_shapeless(character: str) -> bool:
    """Return whether a character shows nothing and takes no room."""
    if character in _JOINING:
        return False
    return unicodedata.category(character) == "Cf" or character in _IGNORABLE


def _reduced(text: str) -> str:
    """Return the text with each character that GSM-7 lacks in a simpler form, if it has one."""
    simpler = {ord(c): _simpler(c) for c in set(text) - _BASIC - _EXTENSION}
    return text.translate(simpler)


def _simpler(character: str) -> str:
    parts = unicodedata.normalize("NFKD", character.translate(_LETTERS))
    return "".join(c for c in parts if not unicodedata.combining(c)).translate(_LOOK_ALIKES)


# These shape the letters and emoji around them, but not the letters of GSM-7.
_JOINING = "\u200c\u200d"
_JOINERS = re.compile(f"[{_JOINING}]")
_SHAPED = f"[^{re.escape(''.join(sorted(_BASIC | _EXTENSION)))}]"
_USELESS_JOINERS = re.compile(f"[{_JOINING}]+(?!{_SHAPED})|(?<!{_SHAPED})[{_JOINING}]+")
# Of other categories than Cf: variation selectors, and the other "default ignorable" characters
# (Unicode Standard Annex 44).
_IGNORABLE = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0xE0100, 0xE01EF),
    )
    for code in range(first, last + 1)
)
# Characters that look like one of GSM-7, or do its work: quotation marks, dashes, full width forms.
_LOOK_ALIKES = str.maketrans(
    {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    | dict.fromkeys("«»“”„‟″〝〞〟", '"')
    | dict.fromkeys("‘’‚‛′ʹʻʼʽˈ‹›´`", "'")
    | dict.fromkeys("‐‑‒–—―−⁃•⸺⸻﹘﹣", "-")
    | dict.fromkeys("·․‧∙⋅", ".")
    | dict.fromkeys("⁄∕", "/")
    | {"…": "...", "‥": "..", "∶": ":", "∗": "*", "∼": "~", "˜": "~", "×": "x"}
)
# Letters that do not decompose into a letter of GSM-7 and marks.
_LETTERS = str.maketrans("ıłŁ°", "ilLo") | str.maketrans({"œ": "oe", "Œ": "OE"})
