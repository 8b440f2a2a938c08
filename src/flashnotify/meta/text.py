"""The characters that texts must not have, whatever channel shows them."""

import re

from flashnotify.errors import InvalidValue

_REJECTED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_REJECTED_IN_LINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def check_text(value: str, *, multiline: bool) -> None:
    """Reject characters that must not reach a header or a line of text.

    Raise `InvalidValue` if the text has a control character (category Cc), a lone surrogate (Cs),
    or a line or paragraph separator. `multiline` allows line feed, carriage return and tab.
    """
    found = (_REJECTED_IN_LINES if multiline else _REJECTED).search(value)
    if found is not None:
        if found[0] in "\r\n":
            raise InvalidValue("line_break", "must be a single line")
        character = f"U+{ord(found[0]):04X}"
        message = f"must not contain the control character {character}"
        raise InvalidValue("control_character", message)
