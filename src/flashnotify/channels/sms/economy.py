"""SMS texts in the characters that cost least: one `’` makes a segment hold 70 instead of 160."""

from __future__ import annotations

from flashnotify.channels.sms.segments import Encoding, Segmented, encoding_of, fit


def economical(text: str, most: int) -> Segmented:
    """`text` in at most `most` segments, with its gaps closed and plain punctuation.

    It loses the French accents that GSM-7 lacks (`ê`, `ç`) rather than its end: only if it has to
    be cut with them, and they alone stand in the way of GSM-7.
    """
    text = _plain(text, most)
    fitted = fit(text, most)
    if fitted.text != text:
        unaccented = text.translate(_LETTERS)
        if fitted.encoding is Encoding.ucs2 and encoding_of(unaccented) is Encoding.gsm7:
            return fit(unaccented, most)
    return fitted


def _plain(text: str, most: int) -> str:
    # Splitting at white space takes the no-break spaces too, which GSM-7 lacks.
    lines = (" ".join(line.split()) for line in text.splitlines())
    # What is far beyond the room is not worth the work.
    text = "\n".join(line for line in lines if line)[: 500 * most]
    # The spaces that French puts inside its quotation marks go with them.
    text = text.replace("« ", '"').replace(" »", '"')
    return text.translate(_PUNCTUATION)


_PUNCTUATION = str.maketrans(
    {
        "«": '"',
        "»": '"',
        "“": '"',
        "”": '"',
        "„": '"',
        "’": "'",
        "‘": "'",
        "–": "-",
        "—": "-",
        "‑": "-",
        "…": "...",
        "•": "-",
    }
)
_LETTERS = str.maketrans("âêîôûëïÿçÀÂÈÊËÎÏÔÙÛŸ", "aeioueiycAAEEEIIOUUY") | str.maketrans(
    {"œ": "oe", "Œ": "OE", "æ": "ae"}
)
