"""Texts that hold encoded words (RFC 2047) with what must never reach a message decoded."""

from __future__ import annotations

import base64

from hypothesis import strategies as st

# The payload of the first is a header, then also a body, then SMTP commands.
EXAMPLES = (
    "=?utf-8?q?=0D=0ABcc:_x@x.example?=",
    "=?utf-8?q?=0ABcc:_x@x.example?=",
    "=?utf-8?q?=0DBcc:_x@x.example?=",
    "=?utf-8?b?DQpCY2M6IHhAeC5leGFtcGxl?=",
    "=?us-ascii?Q?a=0D=0A=0D=0AA_body_of_its_own?=",
    "=?iso-8859-1?q?=0D=0A.=0D=0AMAIL_FROM:<x@x.example>=0D=0A?=",
    "=?utf-16?b?/v8ADQAKAEIAYwBjADoAIAB4?=",
    "=?utf-8?q?=00=0D=0A?=",
    "Room =?utf-8?q?=0D=0ABcc:_x@x.example?= changed",
    "Salle=?utf-8?q?=0D=0ABcc:_x@x.example?=modifiée",
    "=?utf-8?q?a=0D?= =?utf-8?q?=0ABcc:_x@x.example?=",
    "=?utf-8*en?q?=0D=0ABcc:_x@x.example?=",
    "=?utf-7?q?+AA0ACg-Bcc:_x@x.example?=",
    "=?no-such-charset?q?=0D=0ABcc:_x@x.example?=",
    "=?utf-8?q?=0D=0ABcc:_x@x.example",
    "=?utf-8?q?=0D=0A Bcc: x@x.example?=",
    "é" * 40 + " =?utf-8?q?=0D=0ABcc:_x@x.example?= " + "é" * 40,
)

_CHARSETS = st.sampled_from(
    ["utf-8", "UTF-8", "us-ascii", "iso-8859-1", "utf-16", "utf-16-be", "utf-7", "utf-32", "utf-8*"]
)
_PAYLOADS = st.lists(
    st.sampled_from(
        (
            *("\r\n", "\n", "\r", "\0", "\r\n\r\n", "\r\n.\r\n", "\u2028", "\x85"),
            *("Bcc: x@x.example", "RCPT TO:<x@x.example>", "QUIT", "é", " ", "a"),
        )
    ),
    min_size=1,
    max_size=6,
).map("".join)


@st.composite
def _encoded_words(draw: st.DrawFn) -> str:
    charset = draw(_CHARSETS)
    data = draw(_PAYLOADS).encode(charset.rstrip("*"), "replace")
    if draw(st.booleans()):
        return f"=?{charset}?{draw(st.sampled_from('bB'))}?{base64.b64encode(data).decode()}?="
    safe = draw(st.sampled_from([b"", b"abcdefghijklmnopqrstuvwxyzBC:@.TOPR<>"]))
    text = "".join(chr(octet) if octet in safe else f"={octet:02X}" for octet in data)
    return f"=?{charset}?{draw(st.sampled_from('qQ'))}?{text}?="


# On one line, as every validator wants it.
one_line_texts = st.lists(
    st.one_of(
        _encoded_words(),
        st.sampled_from(EXAMPLES),
        st.sampled_from([" ", "  ", "é", "=?", "?=", "=", "?", "_", '"', "\\", "<", ",", "漢字🔥"]),
        st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12),
        st.text("abc ", max_size=120),
        st.text("a", min_size=40, max_size=120),
    ),
    max_size=8,
).map("".join)

# With raw line breaks and control characters too, which validators refuse.
raw_texts = st.lists(
    st.one_of(
        one_line_texts, st.sampled_from(["\r\n", "\n", "\r", "\0", "\x0b", "\x85", "\u2028"])
    ),
    max_size=4,
).map("".join)
