"""Mail domains that only a local network knows, and the setting that allows them."""

import pytest

from flashnotify.channels.email.channel import EmailMixin
from flashnotify.channels.email.settings import EmailConfig
from flashnotify.meta import Email

LOCAL = [
    "ada@localhost",
    "ada@mailhost",
    "ada@mail.local",
    "ada@printer.mail.local",
    "ada@mail.test",
    "ada@test",
]


def check(address: str, domains: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Check a recipient as the service does, with EMAIL_SPECIAL_DOMAINS; return it."""
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_SPECIAL_DOMAINS", domains)
    checked = EmailMixin.address.validate(address)
    EmailMixin.check_address(checked, EmailConfig())
    return str(checked)


@pytest.mark.parametrize("address", [*LOCAL, "ada@mail.lan", "ada@univ.example"])
@pytest.mark.parametrize(
    "domains", ["localhost mailhost local test lan", ".localhost,mailhost, *.LOCAL .test,.lan"]
)
def test_domains_in_the_setting_are_allowed(
    address: str, domains: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Twice, since a domain that was valid once is checked in a shorter way.
    assert check(address, domains, monkeypatch) == address
    assert check(address, domains, monkeypatch) == address
    assert check(f"Ada{address[3:].upper()}", domains, monkeypatch) == f"Ada{address[3:]}"


@pytest.mark.parametrize("address", LOCAL)
@pytest.mark.parametrize("domains", ["", "ocal", "other.local lan"])
def test_others_are_refused_and_the_setting_is_named(
    address: str, domains: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="FLASHNOTIFY_EMAIL_SPECIAL_DOMAINS=") as failure:
        check(address, domains, monkeypatch)
    assert failure.value.code == "not_an_email_address"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "address",
    ["ada@", "ada@-.local", "ada@a..local", "a b@mail.local", "ada@[127.0.0.1]", "ada@b\0.local"],
)
def test_local_addresses_must_be_well_formed_too(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="not a valid email address"):
        check(address, "local", monkeypatch)


def test_other_fields_take_no_local_addresses() -> None:
    for address in LOCAL:
        with pytest.raises(ValueError, match="not a valid email address"):
            Email().validate(address)


def test_a_sender_may_be_local_if_recipients_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_FROM", "Campus <noreply@mail.local>")
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_SPECIAL_DOMAINS", "local")
    assert EmailConfig().sender == "Campus <noreply@mail.local>"
