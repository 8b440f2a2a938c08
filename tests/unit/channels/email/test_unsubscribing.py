"""Links to unsubscribe: headers (RFC 8058) and footers that differ in a body built once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashnotify.channels.email.channel import EmailContent, EmailToOne
from flashnotify.domain import Message, Rendering
from flashnotify.errors import Unsendable
from tests.unit.channels.email.test_email import DELIVERY, SENDER, contents, read, rendering

BASE = "https://notifications.univ.example/flashnotify/u/"
TOKENS = ["academic." + letter * 22 + "." + letter * 32 for letter in "aZ-_"]


def sent(content: EmailContent, link: str | None) -> bytes:
    message = Message(DELIVERY, "ada@univ.example", rendering(), 0, unsubscribe=link)
    return EmailToOne(content, message).as_bytes()


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200),
    st.integers(0, 90).map("x".__mul__),
)
def test_each_has_its_own_link_in_a_body_that_is_built_once(text: str, path: str) -> None:
    """Wherever quoted-printable is folded."""
    content = EmailContent(rendering(text=text or "-", html=f"<body>{text}</body>"), SENDER)
    for token in TOKENS:
        link = f"{BASE}{path}/{token}"
        email = read(sent(content, link))
        assert email["List-Unsubscribe"] == f"<{link}>"
        assert email["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert [part.count(link) for part in contents(email)] == [1, 1]
        assert [part.rstrip("\n") for part in contents(email)] == [
            part.replace("\r\n", "\n").rstrip("\n") for part in content.with_link(link)
        ]
        assert content.linked(link) is content.linked(BASE)


def test_the_footer_says_why_and_how_in_the_language_of_the_email() -> None:
    for locale, words in (("fr-CA", "annuaire"), ("en", "directory"), ("de", "directory")):
        content = EmailContent(Rendering(locale, rendering().parts), SENDER)
        text, html = content.with_link(BASE + TOKENS[0])
        assert words in text
        assert words in html
        assert text.index("\n-- \n") < text.index(words)
    html = EmailContent(rendering(html="<body>x</body></html>"), SENDER).with_link(BASE)[1]
    assert html.endswith("</a></p>\n</body></html>")


def test_an_address_that_nobody_owns_gets_no_link() -> None:
    email = read(sent(EmailContent(rendering(), SENDER), None))
    assert "List-Unsubscribe" not in email
    assert email["To"] == "ada@univ.example"


def test_one_click_needs_https() -> None:
    link = "http://127.0.0.1:8000/u/" + TOKENS[0]
    email = read(sent(EmailContent(rendering(), SENDER), link))
    assert email["List-Unsubscribe"] == f"<{link}>"
    assert "List-Unsubscribe-Post" not in email


@pytest.mark.parametrize(
    "link",
    [
        BASE + "a b", BASE + "a>\r\nBcc: x", "ftp://univ.example/u/a", BASE + "é", BASE, "x" * 2000,
        BASE + "a" * 950, BASE + "=20", BASE + "<b>",
    ],
)  # fmt: skip
def test_a_malformed_link_is_never_sent(link: str) -> None:
    with pytest.raises(Unsendable):
        sent(EmailContent(rendering(), SENDER), link)


def test_a_link_of_another_length_does_not_fit() -> None:
    content = EmailContent(rendering(), SENDER)
    sent(content, BASE + TOKENS[0])
    with pytest.raises(Unsendable):
        sent(content, BASE + TOKENS[0] + "x")
