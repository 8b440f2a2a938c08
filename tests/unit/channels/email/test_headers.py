"""Encoding of headers, and the check of the finished message."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from email.utils import parseaddr
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flashnotify.channels.email import headers
from flashnotify.channels.email.headers import MalformedMessage, one_line, text_header
from flashnotify.meta import Email
from tests.support import rfc2047
from tests.support.encoded_words import EXAMPLES, one_line_texts, raw_texts
from tests.unit.channels.email import headers_on_this_python

BODY = b"\r\nbody\r\n"
MESSAGE = b"From: a@univ.example\r\nSubject: x\r\n" + BODY
DATE = "Fri, 15 Jan 2027 08:00:00 +0000"
MESSAGE_ID = "<01890000-0000-7000-8000-000000000001@univ.example>"


def value(header: bytes) -> str:
    """Return the unfolded value of the only header."""
    assert max(len(line) for line in header.split(b"\r\n")) <= 76
    ((_, found),) = rfc2047.headers_of(header + BODY)[0]
    return found


@given(one_line_texts)
def test_text_headers_decode_to_the_same_text(text: str) -> None:
    assert rfc2047.decoded(value(text_header("Subject", text))) == text


@given(one_line_texts)
def test_display_names_decode_to_the_same_name(name: str) -> None:
    found = value(headers.mailbox_header("From", name, "noreply@univ.example"))
    assert rfc2047.mailbox(found) == (name, "noreply@univ.example")
    assert parseaddr(found)[1] == "noreply@univ.example"


LANGUAGES = st.lists(
    st.sampled_from(
        (
            *(
                "[Campus]",
                "Accès",
                "réservé",
                "à la communauté étudiante",
                "—",
                "ALG-2",
                "le 3 mai",
            ),
            *(
                "تغيير القاعة",
                "الامتحان",
                "教室变更",
                "考试",
                "通知：",
                "🔥",
                "👩🏽‍🎓",
                "🇫🇷",
                "e\u0301",
            ),
            *(" ", "  ", "\u00a0", "\u200b", "?=", "=?utf-8?q?"),
        )
    ),
    max_size=14,
)


@given(st.one_of(LANGUAGES.map(" ".join), LANGUAGES.map("".join)))
@example("[Campus] Accès réservé à la communauté étudiante de l’université, dès 8 h")
def test_subjects_and_names_in_many_languages_keep_every_space(text: str) -> None:
    assert rfc2047.decoded(value(text_header("Subject", text))) == text
    found = value(headers.mailbox_header("From", text, "noreply@univ.example"))
    assert rfc2047.mailbox(found) == (text, "noreply@univ.example")


@given(raw_texts)
def test_multiline_text_is_refused_unless_joined(text: str) -> None:
    line = one_line(text)
    assert rfc2047.decoded(value(text_header("Subject", line))) == line
    if line != text:
        with pytest.raises(MalformedMessage):
            text_header("Subject", text)
        with pytest.raises(MalformedMessage):
            headers.mailbox_header("From", text, "noreply@univ.example")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\r\nb", "a b"),
        ("a\n\nb", "a  b"),
        ("a\0b\x1bc\td", "a b c d"),
        ("a\u2028b\x85c", "a b c"),
        ("a\ud800b", "a?b"),
        ("é  è", "é  è"),
    ],
)
def test_line_breaks_and_control_characters_become_spaces(text: str, line: str) -> None:
    assert one_line(text) == line


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("Room changed", b"Subject: Room changed\r\n"),
        ("[ALG-2] Été 2027", b"Subject: [ALG-2] =?utf-8?b?w4l0w6k=?= 2027\r\n"),
        ("Fermé à 17h30", b"Subject: =?utf-8?b?RmVybcOpIMOg?= 17h30\r\n"),
        ("Universités", b"Subject: =?utf-8?q?Universit=C3=A9s?=\r\n"),
        ("a  b", b"Subject: =?utf-8?q?a__b?=\r\n"),
        (" a", b"Subject: =?utf-8?q?_a?=\r\n"),
        ("a =? b", b"Subject: a =?utf-8?b?PT8=?= b\r\n"),
        ("", b"Subject:\r\n"),
    ],
)
def test_only_necessary_words_are_encoded(text: str, header: bytes) -> None:
    assert text_header("Subject", text) == header


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("", b"From: a@b.example\r\n"),
        ("Campus North", b"From: Campus North <a@b.example>\r\n"),
        ("Campus, North", b'From: "Campus, North" <a@b.example>\r\n'),
        ('The "U" \\ x', b'From: "The \\"U\\" \\\\ x" <a@b.example>\r\n'),
        ("Université", b"From: =?utf-8?q?Universit=C3=A9?= <a@b.example>\r\n"),
        ("=?utf-8?q?x?=", b"From: =?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <a@b.example>\r\n"),
    ],
)
def test_forms_of_display_names(name: str, header: bytes) -> None:
    assert headers.mailbox_header("From", name, "a@b.example") == header


def test_long_ascii_is_folded_at_spaces() -> None:
    text = "word " * 60 + "end"
    header = text_header("Subject", text)
    assert b"=?" not in header
    assert header.count(b"\r\n ") >= 4
    assert header.replace(b"\r\n", b"") == f"Subject: {text}".encode()


def test_long_runs_without_spaces_are_folded() -> None:
    text = "https://univ.example/" + "a" * 5000
    assert rfc2047.decoded(value(text_header("Subject", text))) == text


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example\r\nBcc: x@x.example",
        "a@b.example\n",
        "a@b.example> SIZE=1",
        "a@b.example,x@x.example",
        "a b@b.example",
        '"a b"@b.example',
        "é@b.example",
        "a@b.éxample",
        "a\0@b.example",
        "=?utf-8?q?=0D=0AX?=@b.example",
        "a@[127.0.0.1]",
        "a@" + "b" * 1000,
        "a",
        "",
    ],
)
def test_malformed_addresses_are_refused(address: str) -> None:
    with pytest.raises(MalformedMessage):
        headers.recipient_head(address, MESSAGE_ID, DATE)
    if len(address) < 1000:
        with pytest.raises(MalformedMessage):
            headers.mailbox_header("From", "Campus", address)
    else:
        header = headers.mailbox_header("From", "Campus", address)
        with pytest.raises(MalformedMessage):
            headers.check_message(header + BODY, ["From"], b"body")


@pytest.mark.parametrize(
    ("message_id", "date"),
    [
        (MESSAGE_ID + "\r\nBcc: x", DATE),
        ("<a b@c.example>", DATE),
        ("a@c.example", DATE),
        (MESSAGE_ID, DATE + "\r\nBcc: x"),
        (MESSAGE_ID, ""),
    ],
)
def test_malformed_message_ids_and_dates_are_refused(message_id: str, date: str) -> None:
    with pytest.raises(MalformedMessage):
        headers.recipient_head("ada@univ.example", message_id, date)


@given(st.emails())
def test_every_valid_address_is_accepted(address: str) -> None:
    try:
        to = Email().validate(address)
    except ValueError:
        return
    head = headers.recipient_head(to, MESSAGE_ID, DATE)
    assert rfc2047.headers_of(head + BODY)[0] == [
        ("To", to),
        ("Message-ID", MESSAGE_ID),
        ("Date", DATE),
    ]


def test_a_well_formed_message_passes() -> None:
    headers.check_message(MESSAGE, ["Subject", "From"], b"body")
    headers.check_message(MESSAGE.replace(b"x", b"x\r\n y"), ["Subject", "From"], b"body")


@pytest.mark.parametrize(
    "message",
    [
        b"Bcc: x@x.example\r\n" + MESSAGE,
        b"Subject: again\r\n" + MESSAGE,
        MESSAGE.replace(b"Subject: x", b"Subject: x\r\nBcc: y"),
        MESSAGE.replace(b"Subject: x", b"Subject: x\nBcc: y"),
        MESSAGE.replace(b"Subject: x", b"Subject: x\rBcc: y"),
        MESSAGE.replace(b"Subject: x", b"Subject: x\0"),
        MESSAGE.replace(b"Subject: x", b"Subject: x\x1b"),
        MESSAGE.replace(b"Subject: x", b"Subject: \xc3\xa9"),
        MESSAGE.replace(b"Subject: x", b"Subject: x\r\n "),
        MESSAGE.replace(b"Subject: x", b"Subject: x\r\n.\r\nQUIT"),
        MESSAGE.replace(b"Subject: x", b"Subject: x\r\n\r\nSubject: y"),
        MESSAGE.replace(b"Subject: x\r\n", b""),
        MESSAGE.replace(b"Subject: x", b"Subject: " + b"x" * 1000),
        MESSAGE.replace(b"body", b"body" + b"x" * 998),
        MESSAGE.replace(b"body", b"\r\nbody"),
        MESSAGE.replace(b"body", b"body\n"),
        MESSAGE.replace(b"body", b"body\0"),
        MESSAGE.removesuffix(b"\r\n"),
        MESSAGE.removesuffix(BODY),
        b" folded\r\n" + MESSAGE,
        b"",
    ],
)
def test_malformed_messages_are_refused(message: bytes) -> None:
    with pytest.raises(MalformedMessage) as refusal:
        headers.check_message(message, ["From", "Subject"], b"body")
    assert "Bcc" not in str(refusal.value)


SUBJECTS = (
    "[Campus] Accès réservé à la communauté étudiante de l’université, dès 8 h",
    "تغيير قاعة الامتحان إلى المبنى ب في الساعة الثامنة صباحا",
    "考试教室变更：请于上午八点到乙楼二〇四室参加考试，并携带学生证",
    "🔥 Évacuation du bâtiment B 🔥 👩🏽‍🎓 rendez-vous au point de rassemblement 🇫🇷",
)


def corpus() -> list[str]:
    """Return the examples and random combinations, the same on every run."""
    chance = random.Random(2047)
    pieces = [
        *EXAMPLES,
        *SUBJECTS,
        " ",
        "  ",
        "a",
        "é",
        "漢字",
        "🔥",
        "=?",
        "?=",
        '"',
        "\\",
        "word " * 20,
    ]
    made = ["".join(chance.choices(pieces, k=chance.randint(1, 8))) for _ in range(300)]
    return [*EXAMPLES, *SUBJECTS, "", *made]


def interpreter(minor: int) -> str | None:
    """Return the path of a working Python 3.`minor`, if installed."""
    name = f"python3.{minor}"
    root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    places = [shutil.which(name), *sorted(root.glob(f"versions/3.{minor}.*/bin/{name}"))]
    for place in places:
        if place is None:
            continue
        # The one in PATH may be a pyenv shim for an inactive version.
        tried = subprocess.run([place, "-c", ""], check=False, capture_output=True)
        if tried.returncode == 0:
            return str(place)
    return None


@pytest.mark.parametrize(
    "minor", [minor for minor in range(11, 16) if minor != sys.version_info[1]]
)
def test_every_python_version_writes_the_same_headers(minor: int, tmp_path: Path) -> None:
    python = interpreter(minor)
    if python is None:
        pytest.skip(f"there is no python3.{minor} on this machine")
    texts = corpus()
    file = tmp_path / "texts.json"
    file.write_text(json.dumps(texts))
    paths = [headers_on_this_python.__file__, headers.__file__, rfc2047.__file__, str(file)]
    # Isolated: without this interpreter's packages.
    done = subprocess.run([python, "-I", *paths], check=False, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.strip() == headers_on_this_python.run(headers, rfc2047, texts)
