"""A strict reader of messages, written from RFC 5322 and RFC 2047 alone.

It shares nothing with the code that writes headers, nor with Python's email package. Imports only
the standard library, so that any Python can run it.
"""

from __future__ import annotations

import base64
import re

_FIELD = re.compile(r"([!-9;-~]+):[ \t]*(.*)", re.DOTALL)
# RFC 2047, section 2. `especials` may not be in a charset or encoding.
_WORD = re.compile(r"=\?([^][()<>@,;:\\\"/?.=\s]+)\?([QqBb])\?([!->@-~]*)\?=")
_ENCODED_OCTET = re.compile(rb"=([0-9A-F]{2})")


class Unreadable(Exception):
    """The message breaks one of the two RFCs."""


def headers_of(message: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Return the headers, unfolded, in their order, and the body."""
    if not message.isascii() or b"\0" in message:
        raise Unreadable("not 7-bit text")
    if re.search(rb"\r(?!\n)|(?<!\r)\n", message):
        raise Unreadable("a bare CR or LF")
    head, blank, body = message.partition(b"\r\n\r\n")
    if not blank:
        raise Unreadable("no body")
    fields: list[str] = []
    for line in head.decode().split("\r\n"):
        if len(line) > 998:
            raise Unreadable("a line is too long")
        if "=?" in line and len(line) > 76:
            raise Unreadable("a line with an encoded word is too long")
        if line[:1] in (" ", "\t"):
            if not fields or not line.strip(" \t"):
                raise Unreadable("a line continues nothing, or with nothing")
            fields[-1] += line
        else:
            fields.append(line)
    return [_split(field) for field in fields], body


def decoded(value: str) -> str:
    """Return what an unfolded header says (RFC 2047, section 6.2)."""
    # Odd items are the spaces.
    parts = re.split(r"([ \t]+)", value)
    words = [_WORD.fullmatch(part) for part in parts]
    text = ""
    for n, part in enumerate(parts):
        match = words[n]
        if match is not None:
            text += _decoded_word(match)
        elif "=?" in part:
            raise Unreadable("half an encoded word")
        elif n % 2 == 0 or not (words[n - 1] and words[n + 1]):
            text += part
    return text


def mailbox(value: str) -> tuple[str, str]:
    """Return the display name and address of an unfolded header with one mailbox."""
    if "<" not in value:
        return "", value
    name, _, address = value.rpartition(" <")
    if not address.endswith(">"):
        raise Unreadable("no address at the end")
    quoted = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', name)
    if quoted is not None:
        if "=?" in name:
            raise Unreadable("a quoted string that looks like an encoded word")
        return re.sub(r"\\(.)", r"\1", quoted[1]), address[:-1]
    if re.search(r"[][()<>@,;:\\\".]", name):
        raise Unreadable("a special character outside quotes")
    return decoded(name), address[:-1]


def _split(field: str) -> tuple[str, str]:
    match = _FIELD.fullmatch(field)
    if match is None:
        raise Unreadable("a line is no header")
    return match[1], match[2]


def _decoded_word(match: re.Match[str]) -> str:
    charset, encoding, text = match.groups()
    if len(match[0]) > 75:
        raise Unreadable("an encoded word is too long")
    if encoding in "Bb":
        data = base64.b64decode(text, validate=True)
    else:
        data = _ENCODED_OCTET.sub(
            lambda found: bytes([int(found[1], 16)]), text.replace("_", " ").encode()
        )
    # Each by itself: a character must not be spread over two words.
    return data.decode(charset)
