"""The open transports of a channel."""

from pathlib import Path

import pytest

from flashnotify.app import TRANSPORTS
from flashnotify.channels.sms.channel import SMSMixin
from flashnotify.delivery.transports import open_channel
from tests.conformance.adapter import Lent


async def test_transports_at_one_host_have_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = "https+json://a:x@sms.example/1 https+json://b:y@sms.example/2 kannel://u:p@sms.example"
    monkeypatch.setenv("FLASHNOTIFY_SMS_URL", urls)
    opened = open_channel(SMSMixin.__channel__, TRANSPORTS["sms"], Lent(tmp_path).resources)
    assert [outlet.name for outlet in opened.outlets] == [
        "https+json://sms.example",
        "https+json://sms.example (2)",
        "kannel://sms.example",
    ]
    for outlet in opened.outlets:
        await outlet.transport.close()
