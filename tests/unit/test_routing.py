"""Who gets a notification on which channel."""

from collections.abc import Collection
from typing import Any, ClassVar

import pytest

from flashnotify.channels.email import EmailMixin
from flashnotify.domain import Address
from flashnotify.meta.descriptors import Priority, Text
from flashnotify.meta.metaclasses import Channel, Notifier
from flashnotify.meta.registry import Registry
from flashnotify.routing import route

CHANNELS: Registry[Any] = Registry("channel")
KINDS: Registry[Any] = Registry("kind")


class PigeonMixin(Channel, channel="pigeon", registry=CHANNELS):
    """By pigeon."""

    scheme: ClassVar[str] = "loft"
    address = Text()
    parts: ClassVar[tuple[str, ...]] = ("text",)

    async def send_pigeon(self, message: Any, transport: Any, config: Any) -> Any: ...


class LetterMixin(Channel, channel="letter", registry=CHANNELS):
    """By letter, to the owner of an email address."""

    scheme: ClassVar[str] = "mailto"
    address = Text()
    parts: ClassVar[tuple[str, ...]] = ("text",)

    async def send_letter(self, message: Any, transport: Any, config: Any) -> Any: ...


class FairNotifier(EmailMixin, PigeonMixin, LetterMixin, Notifier, registry=KINDS):
    """A fair."""

    priority = Priority(default="low")


NOT_WANTED = "not among the request's channels"


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (None, [("email", None), ("letter", None), ("pigeon", None)]),
        (["email"], [("email", None), ("letter", NOT_WANTED), ("pigeon", NOT_WANTED)]),
        (["pigeon", "email"], [("email", None), ("letter", NOT_WANTED), ("pigeon", None)]),
    ],
)
def test_each_address_is_reached_by_the_channels_of_its_scheme(
    channels: Collection[str] | None, expected: list[tuple[str, str | None]]
) -> None:
    recipients = [Address("mailto", "a@univ.example"), Address("loft", "north")]
    routes = list(route(KINDS["fair"], recipients, channels))
    assert [(way.channel, way.skipped) for way in routes] == expected
    assert [way.address.scheme for way in routes] == ["mailto", "mailto", "loft"]


def test_an_address_that_no_channel_reaches_has_no_route() -> None:
    assert list(route(KINDS["fair"], [Address("tel", "+33612345678")], None)) == []
