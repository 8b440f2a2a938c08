"""Transport URLs and the URLs made from them."""

import traceback
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from flashnotify.channels.url import TransportURL, base_url
from flashnotify.errors import SettingsError


def test_url_parts() -> None:
    url = TransportURL(SecretStr("smtp://a%40b:p%3A%2F@mail.univ.example:587?starttls=require"))
    assert (url.scheme, url.host, url.port) == ("smtp", "mail.univ.example", 587)
    assert (url.username, url.password) == ("a@b", "p:/")
    assert url.options == {"starttls": "require"}
    assert str(url) == "smtp://mail.univ.example:587"


def test_missing_parts_are_none() -> None:
    url = TransportURL(SecretStr("capture://"))
    assert (url.host, url.port, url.username, url.password) == ("", None, None, None)
    assert url.options == {}
    assert str(url) == "capture://"


def test_an_ipv6_host_keeps_its_brackets() -> None:
    url = TransportURL(SecretStr("smtp://me:hunter2@[::1]:25"))
    assert url.host == "::1"
    assert str(url) == "smtp://[::1]:25"


PASSWORDS = st.text(
    st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=6, max_size=20
)


@settings(max_examples=300)
@given(PASSWORDS, st.booleans())
@example("hunter2#1", False)
@example("123456#7", False)
@example("123456/7", False)
@example("123456?7", False)
@example("1234[56", False)
@example("x:123456", False)
@example("p@ssword", False)
def test_the_password_is_never_shown(password: str, encoded: bool) -> None:
    """Not even if the URL is invalid because the password is not percent-encoded."""
    written = quote(password, safe="") if encoded else password
    setting = SecretStr(f"smtp://someone:{written}@mail.univ.example:2525")
    try:
        url = TransportURL(setting)
    except SettingsError:
        assert not encoded
        with pytest.raises(SettingsError) as failure:
            TransportURL(setting)
        assert password not in "".join(traceback.format_exception(failure.value))
        return
    assert f"{url} {url!r}" == "smtp://mail.univ.example:2525 smtp://mail.univ.example:2525"
    if encoded:
        assert url.password == password


def test_the_error_for_an_invalid_url_hides_the_password() -> None:
    """urlsplit takes the text after the colon for a port and quotes it."""
    setting = SecretStr("smtp://me:hunter2/1@mail.univ.example")
    with pytest.raises(SettingsError) as failure:
        TransportURL(setting)
    assert "hunter2" not in "".join(traceback.format_exception(failure.value))


@pytest.mark.parametrize("url", ["smtp://h:port", "smtp://h:99999", "smtp://[::1", "smtp://h?a"])
def test_invalid_urls_are_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="is not a URL"):
        TransportURL(SecretStr(url))


@pytest.mark.parametrize(
    ("url", "options", "endpoint"),
    [
        ("x://h", {}, "https://h"),
        ("x://me:secret@h:8080/a/b?c=d", {}, "https://h:8080/a/b?c=d"),
        ("x://me:secret@[2001:db8::1]:81/a", {}, "https://[2001:db8::1]:81/a"),
        ("x://[::1]", {"default_port": 13013}, "https://[::1]:13013"),
        ("x://h:81", {"default_port": 13013}, "https://h:81"),
        ("x://h/a?c=d", {"path": "/other"}, "https://h/other"),
    ],
)
def test_an_endpoint_has_no_credentials(url: str, options: dict[str, Any], endpoint: str) -> None:
    assert TransportURL(SecretStr(url)).endpoint("https", **options) == endpoint


@pytest.mark.parametrize(
    ("url", "missing"),
    [("kannel:", "host"), ("kannel://h", "port"), ("kannel://h:1", "username")],
)
def test_required_parts(url: str, missing: str) -> None:
    with pytest.raises(SettingsError, match=f"^has no {missing}$"):
        TransportURL(SecretStr(url)).require("host", "port", "username")


def test_unknown_options_are_refused() -> None:
    url = TransportURL(SecretStr("kannel://h?smsc=a&dlr=no"))
    url.allow_options("dlr", "smsc")
    with pytest.raises(SettingsError, match="unknown option 'dlr'; expected one of smsc"):
        url.allow_options("smsc")


def test_base_url_with_and_without_port() -> None:
    assert base_url("http", "::1", 80) == "http://[::1]:80"
    assert base_url("https", "push.example") == "https://push.example"
