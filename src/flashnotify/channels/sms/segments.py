"""SMS segments: the number that a text takes, and making it fit (3GPP TS 23.038)."""

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


def fit(text: str, max_segments: int) -> Segmented:
    """Return `text` in at most `max_segments` segments, shortened at a word with `…` if needed.

    GSM-7 has no such character: there it is three dots.
    """
    encoding = encoding_of(text)
    # A text of more characters never fits, so we never count a long one.
    room = _CAPACITY[encoding][0] * max_segments
    if len(text) <= room and (needed := segments(text, encoding)) <= max_segments:
        return Segmented(text, encoding, needed)
    mark = "…" if encoding is Encoding.ucs2 else "..."
    shortened = shorten(text[: room + 1], lambda cut: segments(cut, encoding) <= max_segments, mark)
    return Segmented(shortened, encoding, segments(shortened, encoding))


def economical(text: str, max_segments: int) -> Segmented:
    """Return `text` in at most `max_segments` segments, with single spaces and plain punctuation.

    With one `’` a segment holds 70 characters, not 160. Removes French accents that GSM-7 lacks
    (`ê`, `ç`) if the text would be cut otherwise and only they prevent GSM-7.
    """
    text = _plain(text, max_segments)
    fitted = fit(text, max_segments)
    if fitted.text != text:
        unaccented = text.translate(_LETTERS)
        if fitted.encoding is Encoding.ucs2 and encoding_of(unaccented) is Encoding.gsm7:
            return fit(unaccented, max_segments)
    return fitted


def _plain(text: str, max_segments: int) -> str:
    # `split` also removes no-break spaces, which GSM-7 lacks.
    lines = (" ".join(line.split()) for line in text.splitlines())
    # Far more than can fit, to bound the work.
    text = "\n".join(line for line in lines if line)[: 500 * max_segments]
    # French has spaces inside its quotation marks.
    text = text.replace("« ", '"').replace(" »", '"')
    return text.translate(_PUNCTUATION)


_PUNCTUATION = str.maketrans("«»“”„’‘–—‑•", '"""""\'\'----') | str.maketrans({"…": "..."})
_LETTERS = str.maketrans("âêîôûëïÿçÀÂÈÊËÎÏÔÙÛŸ", "aeioueiycAAEEEIIOUUY") | str.maketrans(
    {"œ": "oe", "Œ": "OE", "æ": "ae"}
)
