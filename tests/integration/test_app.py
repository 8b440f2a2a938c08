"""What the service is made of, and what a wrong transport URL is told at its start."""

import pytest

from flashnotify.app import Service
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.errors import DeclarationError, SettingsError
from flashnotify.meta import Notifier, Priority
from flashnotify.settings import ServiceConfig
from tests.support.running import Running


@pytest.mark.parametrize(
    "url",
    [
        "mail.univ.example",
        "carrier-pigeon://loft",
        "smtp://",
        "smtp://me:hunter2@",
        "smtp://me:hunter2@host:port",
        "smtp://me:hunter2@host?tls=yes",
        "smtp://me:hunter2@host?starttls=perhaps",
        "smtp://me:hunter2#1@host",
        "capture:// carrier-pigeon://me:hunter2@loft",
        " ",
    ],
)
def test_a_wrong_url_is_reported_with_its_variable_and_an_example(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_URL", url)
    with pytest.raises(SettingsError) as failure:
        Service(ServiceConfig())
    message = str(failure.value)
    assert message.startswith("FLASHNOTIFY_EMAIL_URL: ")
    assert "Example: FLASHNOTIFY_EMAIL_URL=smtp://" in message
    assert "hunter2" not in message


def test_a_wrong_setting_of_a_transport_is_reported_by_its_own_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_URL", "smtp://mail.univ.example")
    monkeypatch.setenv("FLASHNOTIFY_SMTP_TIMEOUT", "long")
    with pytest.raises(SettingsError) as failure:
        Service(ServiceConfig())
    assert str(failure.value).startswith("FLASHNOTIFY_SMTP_TIMEOUT: 'long' is not valid: ")
    assert str(failure.value).endswith("Example: FLASHNOTIFY_SMTP_TIMEOUT=60")


def test_several_urls_are_tried_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "FLASHNOTIFY_EMAIL_URL", "smtp://me:hunter2@a.example:25  smtps://b.example capture://"
    )
    outlets = Service(ServiceConfig()).channels["email"].transports
    names = [outlet.transport.name for outlet in outlets]
    assert names == ["smtp://a.example:25", "smtps://b.example", "capture://"]


async def test_nothing_is_declared_once_the_service_has_started(service: Running) -> None:
    with pytest.raises(DeclarationError, match="frozen once the service has started"):

        class LateNotifier(EmailMixin, Notifier):
            """Too late: no request model of the API would know it."""

            priority = Priority(default="low")
