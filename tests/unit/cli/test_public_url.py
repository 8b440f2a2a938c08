"""Links lead to the port of `serve`, if no public URL is set."""

import pytest

from flashnotify.cli.serve import settings_at


def test_links_lead_to_the_port_unless_a_public_url_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings_at(8080).public_url == "http://127.0.0.1:8080"
    assert settings_at(0).public_url == "http://127.0.0.1:8000"
    monkeypatch.setenv("FLASHNOTIFY_PUBLIC_URL", "https://notify.univ.example")
    assert settings_at(8080).public_url == "https://notify.univ.example"
