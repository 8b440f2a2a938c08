"""Commands show and take times in the campus's time zone."""

import pytest

from flashnotify.cli.campus_time import campus_time
from flashnotify.errors import SettingsError


@pytest.fixture
def paris(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_TIMEZONE", "Europe/Paris")


@pytest.mark.usefixtures("paris")
def test_times_of_an_item_are_shown_in_the_time_zone() -> None:
    item = {"sent_at": "2026-12-01T23:30:00Z", "revoked_at": None, "reference": "2026-12-01"}
    assert campus_time().readable(item) == item | {"sent_at": "2026-12-02 00:30:00"}
    assert campus_time().readable({"since": "2026-07-01T08:00Z"}) == {
        "since": "2026-07-01 10:00:00"
    }
    assert campus_time().show("2026-07-01T08:00:00.999+00:00") == "2026-07-01 10:00:00"
    assert campus_time().name == "Europe/Paris"


@pytest.mark.usefixtures("paris")
@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("2026-12-01", "2026-12-01T00:00:00+01:00"),
        ("2026-07-01T08:00", "2026-07-01T08:00:00+02:00"),
        ("2026-07-01T08:00Z", "2026-07-01T10:00:00+02:00"),
        (None, None),
    ],
)
def test_a_time_without_an_offset_is_in_the_time_zone(typed: str | None, sent: str | None) -> None:
    assert campus_time().parse(typed, "--since") == sent


@pytest.mark.usefixtures("paris")
def test_what_is_no_time_names_the_option() -> None:
    with pytest.raises(SettingsError, match=r"^--since: must be a date and time"):
        campus_time().parse("soon", "--since")
    assert "T00:00:00+0" in str(campus_time().parse("today", "--since"))


def test_without_the_setting_it_is_the_zone_of_the_machine() -> None:
    campus = campus_time()
    assert campus.zone is None
    assert campus.name


@pytest.mark.parametrize("name", ["Europe/Pariss", "../etc", "Europe"])
def test_a_misspelt_time_zone_names_the_setting(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("FLASHNOTIFY_TIMEZONE", name)
    with pytest.raises(SettingsError, match=f"^FLASHNOTIFY_TIMEZONE={name}: there is no such"):
        campus_time()
