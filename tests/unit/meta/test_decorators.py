"""Decorators attach policies to channels, and to nothing else."""

from typing import Any

import pytest

from flashnotify.channels.email.channel import EmailMixin
from flashnotify.channels.email.settings import EmailConfig
from flashnotify.errors import DeclarationError
from flashnotify.meta import Notifier, circuit_breaker, retrying, tracked, validated_config


@pytest.mark.parametrize(
    ("decorator", "name"),
    [
        (tracked, "tracked"),
        (circuit_breaker(failures=1, recovery=1), "circuit_breaker"),
        (retrying(), "retrying"),
        (validated_config(EmailConfig), "validated_config"),
    ],
)
def test_a_policy_goes_on_a_channel_only(decorator: Any, name: str) -> None:
    class PlainNotifier(EmailMixin, Notifier, abstract=True):
        pass

    with pytest.raises(DeclarationError, match=f"^@{name} on .*PlainNotifier: is only for channel"):
        decorator(PlainNotifier)
