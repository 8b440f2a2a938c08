"""The head of an email: headers encoded by RFC 5322 and RFC 2047, and a check of the result.

While it folds a header, Python's email package decodes whatever looks like an encoded word and
writes the result raw, line breaks included: a text could add headers, a body and SMTP commands.
This module only ever encodes text, never decodes it. It imports only the standard library.
"""

import re
from collections.abc import Sequence
from email.charset import Charset
from itertools import chain, groupby, repeat

# RFC 2047, section 2: of an encoded word, and of a line that holds one.
_MAX_WORD = 75
_MAX_LINE = 76
# RFC 5322, section 2.1.1: octets of any line, without its CRLF.
_MAX_OCTETS = 998
# A longer run without a space is encoded: encoded words can be folded anywhere. A run of this
# length fits on the first line, after a header name of up to 14 characters.
_MAX_PLAIN = 60
# Encodes in "Q" or "B", whichever is shorter.
_UTF_8 = Charset("utf-8")

# Control characters and Unicode's line and paragraph separators; then also lone surrogates.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNENCODABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PLAIN = re.compile(rf"[!-~]{{1,{_MAX_PLAIN}}}")
_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
_ATOM = re.compile(f"[{_ATEXT}]+")
# A mailbox without a quoted local part or an address literal, which our validators refuse. It
# cannot end a header or an SMTP command (RFC 5321, section 4.1.2), or look like an encoded word.
_LOCAL_PART = rf"(?![^@]*=\?)[{_ATEXT}]+(?:\.[{_ATEXT}]+)*"
_DOMAIN = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
_ADDRESS = re.compile(f"{_LOCAL_PART}@{_DOMAIN}")
_RECIPIENT_HEAD = re.compile(
    rf"To: {_LOCAL_PART}@{_DOMAIN}\r\n"
    rf"Message-ID: <{_LOCAL_PART}@{_DOMAIN}>\r\n"
    r"Date: [A-Za-z0-9 ,:+-]+\r\n"
)
# Without what ends a URL in angle brackets, in a line that need not be folded.
_URL = re.compile(r"https?://[!-;=?-~]{1,900}")
# A header with its name as group, and its continuation lines, which are never blank.
_HEADER = rb"([!-9;-~]+):(?: [\t -~]*)?\r\n(?:[ \t]+[!-~][\t -~]*\r\n)*"
_HEAD = re.compile(rb"(?:%b)+" % _HEADER)


class MalformedMessage(ValueError):
    """The message breaks RFC 5322. The text never quotes the message."""


def one_line(text: str) -> str:
    """Return `text` on one line: line breaks and control characters become spaces."""
    return _CONTROL.sub(" ", " ".join(text.splitlines())).encode("utf-8", "replace").decode()


def text_header(name: str, text: str) -> bytes:
    """Return a header that decodes to exactly `text`, such as the subject.

    Raise `MalformedMessage` if `text` holds line breaks, control characters or lone surrogates.
    """
    _check_encodable(text)
    header = _Folded(name)
    words = text.split(" ")
    # Leading, trailing and repeated spaces are encoded together with the words next to them:
    # readers and relays may drop them otherwise.
    plain = [
        _is_plain(word) and "" not in (words[max(n - 1, 0)], words[min(n + 1, len(words) - 1)])
        for n, word in enumerate(words)
    ]
    for as_it_is, run in groupby(range(len(words)), plain.__getitem__):
        if as_it_is:
            for n in run:
                header.add(words[n])
        else:
            header.encode(" ".join(words[n] for n in run))
    return header.finish()


def mailbox_header(name: str, display_name: str, address: str) -> bytes:
    """Return a header that holds one mailbox, such as the sender.

    Raise `MalformedMessage` if `address` is not plain ASCII, or `display_name` cannot be a header.
    """
    _check_encodable(display_name)
    if not _ADDRESS.fullmatch(address):
        raise MalformedMessage(f"the address in {name} is not a plain ASCII address")
    header = _Folded(name)
    words = display_name.split(" ") if display_name else []
    quoted = '"' + re.sub(r'([\\"])', r"\\\1", display_name) + '"'
    plain = all(map(_is_plain, words))
    if plain and all(map(_ATOM.fullmatch, words)):
        for word in words:
            header.add(word)
    elif plain and len(quoted) <= _MAX_PLAIN:
        header.add(quoted)
    else:
        header.encode(display_name)
    header.add(f"<{address}>" if words else address)
    return header.finish()


def recipient_head(to: str, message_id: str, date: str) -> bytes:
    """Return the headers that differ between the recipients of a message.

    `message_id` includes its angle brackets. The values are never encoded, only checked. Raise
    `MalformedMessage` if `to` is not a plain ASCII address, or another value is not well formed.
    """
    head = f"To: {to}\r\nMessage-ID: {message_id}\r\nDate: {date}\r\n"
    if len(head) > _MAX_OCTETS or not _RECIPIENT_HEAD.fullmatch(head):
        raise MalformedMessage("the recipient's address or the identifier is malformed")
    return head.encode("ascii")


def unsubscribe_head(link: str) -> bytes:
    """Return the headers with which mail programs unsubscribe for their users.

    One click needs HTTPS (RFC 8058, section 3.1); over HTTP, the link leads to a page only
    (RFC 2369, section 3.2). Raise `MalformedMessage` if `link` is no URL in ASCII.
    """
    if not _URL.fullmatch(link):
        raise MalformedMessage("its link to unsubscribe is malformed")
    head = f"List-Unsubscribe: <{link}>\r\n"
    if link.startswith("https:"):
        head += "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    return head.encode("ascii")


def check_message(message: bytes, headers: Sequence[str], body_start: bytes) -> None:
    """Check that `message` is a head of exactly `headers`, in any order, a blank line and a body.

    The body begins with `body_start`. If no sender can predict that, as with a boundary that is a
    digest, no text can have ended the head early. Raise `MalformedMessage` if it has another form,
    a NUL, a bare CR or LF, a non-ASCII character, or a line longer than 998 octets.
    """
    if not message.isascii() or b"\0" in message:
        raise MalformedMessage("it holds a NUL or a character outside ASCII")
    if not message.count(b"\r\n") == message.count(b"\r") == message.count(b"\n"):
        raise MalformedMessage("it holds a bare CR or LF")
    if max(map(len, message.split(b"\r\n"))) > _MAX_OCTETS:
        raise MalformedMessage(f"a line is longer than {_MAX_OCTETS} octets")
    head, _, body = message.partition(b"\r\n\r\n")
    if not body.startswith(body_start) or not body.endswith(b"\r\n"):
        raise MalformedMessage("there is not exactly one blank line between its head and its body")
    if not _HEAD.fullmatch(head + b"\r\n"):
        raise MalformedMessage("its head has a line that is not a header")
    names = [name.decode().lower() for name in re.findall(_HEADER, head + b"\r\n")]
    if sorted(names) != sorted(name.lower() for name in headers):
        raise MalformedMessage("its head does not have exactly the expected headers")


def _check_encodable(text: str) -> None:
    # They could be encoded, but the next program may decode them and write them raw.
    if _UNENCODABLE.search(text):
        raise MalformedMessage("a header holds a line break, control character or lone surrogate")


def _is_plain(word: str) -> bool:
    """Return whether `word` can stand in a header as it is, and never look like an encoded word."""
    return "=?" not in word and _PLAIN.fullmatch(word) is not None


class _Folded:
    """A header in the making, folded into lines of at most 76 characters."""

    def __init__(self, name: str) -> None:
        self._lines: list[str] = []
        self._line = f"{name}:"

    @property
    def _room(self) -> int:
        return _MAX_LINE - len(self._line) - len(" ")

    def _fold(self) -> None:
        self._lines.append(self._line)
        self._line = ""

    def add(self, word: str) -> None:
        """Add `word` behind a space."""
        # Never fold right after the header's name: an empty first line confuses some readers.
        if len(word) > self._room and (self._lines or " " in self._line):
            self._fold()
        self._line += f" {word}"

    def encode(self, text: str) -> None:
        """Add `text` as encoded words. Readers drop the spaces between adjacent ones."""
        # Whole characters only: no encoded word holds a part of one (RFC 2047, section 5).
        first, *others = _UTF_8.header_encode_lines(text, chain([self._room], repeat(_MAX_WORD)))
        if first:
            self._line += f" {first}"
        for word in others:
            self._fold()
            self._line = f" {word}"

    def finish(self) -> bytes:
        """Return the header, with its last CRLF."""
        self._fold()
        return "".join(f"{line}\r\n" for line in self._lines).encode("ascii")
