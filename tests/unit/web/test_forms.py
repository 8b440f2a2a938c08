"""Where forms lead, and the tokens that they carry."""

import pytest

from flashnotify.web.browsers import browser_name
from flashnotify.web.csrf import FormTokens
from flashnotify.web.forms import own_path


@pytest.mark.parametrize(
    "path", ["/", "/account", "/docs", "/v1/notifications?limit=2&to=a%40b", "/a//b", "/%2Fevil"]
)
def test_own_paths_are_followed(path: str) -> None:
    assert own_path(path, "/x") == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "account",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "https://evil.example",
        "https:evil.example",
        "HTTPS://evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "@evil.example",
        ".evil.example",
        "/é",
        "/a#b",
        "/a\r\nSet-Cookie: x=y",
        "/" + "a" * 3000,
    ],
)
def test_paths_elsewhere_are_not(path: str | None) -> None:
    assert own_path(path, "/x") == "/x"


def test_a_token_fits_its_cookie_only() -> None:
    tokens = FormTokens(b"k" * 32)
    token = tokens.make("cookie")
    assert tokens.fits(token, "cookie")
    assert tokens.make("cookie") != token
    assert not tokens.fits(token, "another")
    assert not FormTokens(b"l" * 32).fits(token, "cookie")
    assert "cookie" not in token
    for wrong in ("", "é", "zz", token[:-2], token[2:], token + "00", token[:32]):
        assert not tokens.fits(wrong, "cookie")


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            "Firefox, Linux",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0",
            "Edge, Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
            "Safari, iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/142.0 Safari/537.36",
            "Chrome, Android",
        ),
        ("curl/8.0", None),
        ("<script>", None),
        (None, None),
    ],
)
def test_browsers_have_names(agent: str | None, name: str | None) -> None:
    assert browser_name(agent) == name
