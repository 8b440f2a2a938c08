"""The time zone of the campus, from the settings."""

import pytest

from flashnotify.errors import SettingsError
from flashnotify.settings import ServiceConfig


@pytest.mark.parametrize("name", ["UTC", "Europe/Paris", "America/Argentina/Buenos_Aires"])
def test_names_of_the_iana_database_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_TIMEZONE", name)
    assert ServiceConfig().timezone == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Europe/Pari", "did you mean Europe/Paris"),
        # A folder, and a way out of it.
        ("Europe", "no such time zone"),
        ("../../../etc/passwd", "no such time zone"),
        ("/etc/localtime", "no such time zone"),
        ("CEST", "no such time zone"),
        ("+01:00", "no such time zone"),
        ("a\N{NULL}b", "no such time zone"),
    ],
)
def test_other_names_are_rejected_with_an_example(name: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=hint) as refused:
        ServiceConfig(timezone=name)
    assert "FLASHNOTIFY_TIMEZONE" in str(refused.value)
    assert "FLASHNOTIFY_TIMEZONE=Europe/Paris" in str(refused.value)
