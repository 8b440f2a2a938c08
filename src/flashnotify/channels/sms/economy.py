"""SMS texts in the cheapest characters: with one `’`, a segment holds 70 characters, not 160."""

from flashnotify.channels.sms.segments import Encoding, Segmented, encoding_of, fit


def economical(text: str, max_segments: int) -> Segmented:
    """Return `text` in at most `max_segments` segments, with single spaces and plain punctuation.

    Removes French accents that GSM-7 lacks (`ê`, `ç`) if the text would be cut otherwise and only
    they prevent GSM-7.
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
