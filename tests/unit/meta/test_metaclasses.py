"""The specs that kinds and channels compile to, and the errors of invalid declarations."""

import inspect
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

from flashnotify.channels.email.channel import EmailMixin
from flashnotify.domain import Priority as Level
from flashnotify.errors import DeclarationError
from flashnotify.meta import Channel, Email, Moment, Notifier, Priority, Text
from flashnotify.meta.metaclasses import ChannelMeta, NotificationMeta
from flashnotify.meta.registry import CHANNELS, Registry
from flashnotify.meta.specs import NotifierSpec

Kinds = Registry[NotifierSpec]


# --- NotificationMeta ------------------------------------------------------------------------


def test_a_kind_is_registered_under_its_name(kinds: Kinds) -> None:
    class LibraryLoanNotifier(EmailMixin, Notifier, registry=kinds):
        """A book of the library.

        It is due, or it has come.
        """

        book = Text(required=True)
        due = Moment()
        contact = Email()
        priority = Priority(default="high")

    spec = kinds["library_loan"]
    assert list(kinds) == ["library_loan"]
    assert spec.summary == "A book of the library."
    assert spec.priority is Level.high
    assert spec.scope == "notify:library_loan"
    assert spec.schemes == {"mailto"}
    assert list(spec.fields) == ["book", "due", "contact"]


def declared(kinds: Kinds, name: str, bases: tuple[type, ...], **body: Any) -> None:
    """Declare a kind by its parts, without those that are None."""
    body = {"__doc__": "Something.", "priority": Priority(default="low")} | body
    body = {key: value for key, value in body.items() if value is not None}
    NotificationMeta(name, bases, body, registry=kinds)


WITH_EMAIL = (EmailMixin, Notifier)


@pytest.mark.parametrize(
    ("name", "bases", "body", "place", "remedy"),
    [
        ("LostNotifier", (Notifier,), {}, "LostNotifier:", "such as EmailMixin"),
        ("LostNotifier", WITH_EMAIL, {"__doc__": None}, "LostNotifier:", "write one line"),
        ("LostNotifier", WITH_EMAIL, {"__doc__": "  "}, "LostNotifier:", "write one line"),
        (
            "LostNotifier",
            WITH_EMAIL,
            {"priority": None},
            "LostNotifier.priority:",
            'write `priority = Priority(default="low")`',
        ),
        (
            "LostNotifier",
            WITH_EMAIL,
            {"priority": Text()},
            "LostNotifier.priority:",
            'write `priority = Priority(default="low")`',
        ),
        *(
            (
                "LostNotifier",
                WITH_EMAIL,
                {"retention": retention},
                "LostNotifier.retention:",
                "write `retention = timedelta(days=365)`",
            )
            for retention in (30, timedelta(), timedelta(days=-1))
        ),
        ("Lost", WITH_EMAIL, {}, "Lost:", "like AcademicNotifier"),
        ("Notifier", WITH_EMAIL, {}, "Notifier:", "like AcademicNotifier"),
        *(
            (
                "LostNotifier",
                WITH_EMAIL,
                {field: Text()},
                f"LostNotifier.{field}:",
                "rename the field",
            )
            for field in (
                "title",
                "body",
                "kind",
                "to",
                "channels",
                "data",
                "locale",
                "send_at",
                "expires_at",
                "reference",
                "values",
                "prepare",
            )
        ),
    ],
)
def test_an_invalid_kind_fails_at_import_with_class_attribute_and_remedy(
    kinds: Kinds,
    name: str,
    bases: tuple[type, ...],
    body: dict[str, Any],
    place: str,
    remedy: str,
) -> None:
    with pytest.raises(DeclarationError) as failure:
        declared(kinds, name, bases, **body)
    assert str(failure.value).startswith(place)
    assert remedy in str(failure.value)
    assert len(kinds) == 0


def test_a_second_kind_of_the_same_name_is_refused(kinds: Kinds) -> None:
    declared(kinds, "LostNotifier", WITH_EMAIL)
    with pytest.raises(
        DeclarationError, match=r"LostNotifier: a kind named 'lost' is already declared"
    ):
        declared(kinds, "LostNotifier", WITH_EMAIL)


def test_no_kind_is_declared_once_the_service_has_started(kinds: Kinds) -> None:
    kinds.freeze()
    with pytest.raises(DeclarationError, match="LostNotifier: the kind registry is frozen"):
        declared(kinds, "LostNotifier", WITH_EMAIL)


def test_fields_and_channels_are_inherited(kinds: Kinds) -> None:
    class BaseNotifier(EmailMixin, Notifier, abstract=True):
        place = Text(required=True)
        priority = Priority(default="high")

    class FireNotifier(BaseNotifier, registry=kinds):
        """It burns."""

        floor = Text()

    assert list(kinds["fire"].fields) == ["place", "floor"]
    assert list(kinds["fire"].channels) == ["email"]
    assert kinds["fire"].priority is Level.high
    with pytest.raises(ValueError, match="place: is required"):
        FireNotifier(floor="2")
    with pytest.raises(ValueError, match="roof: not a field of fire"):
        FireNotifier(place="B", roof="flat")


# --- ChannelMeta -----------------------------------------------------------------------------


async def send_pigeon(self: Any, message: Any, transport: Any, config: Any) -> None:
    """Send a pigeon."""


def send_in_thread(self: Any, message: Any, transport: Any, config: Any) -> None:
    """Block the event loop."""


def send_pigeons(self: Any, message: Any, transport: Any, config: Any) -> Iterator[None]:
    """Send nothing until the caller iterates."""
    yield


async def send_pigeons_later(
    self: Any, message: Any, transport: Any, config: Any
) -> AsyncIterator[None]:
    """Send nothing until the caller iterates."""
    yield


def channel(registry: Registry[Any], name: str = "pigeon", **body: Any) -> ChannelMeta:
    """Declare a channel by its parts, without those that are None."""
    whole: dict[str, Any] = {
        "scheme": "loft",
        "address": Text(),
        "parts": ("text",),
        "send_pigeon": send_pigeon,
    }
    whole = {key: value for key, value in (whole | body).items() if value is not None}
    return ChannelMeta("PigeonMixin", (Channel,), whole, channel=name, registry=registry)


def test_kinds_offer_the_channels_that_they_inherit(kinds: Kinds) -> None:
    mixin = channel(Registry("channel"))
    declared(kinds, "LostNotifier", (mixin, EmailMixin, Notifier))
    spec = kinds["lost"]
    assert list(spec.channels) == ["pigeon", "email"]
    assert spec.schemes == {"loft", "mailto"}
    assert inspect.iscoroutinefunction(getattr(spec.notifier, spec.channels["pigeon"].send))
    document = {"kind": "lost", "title": "t", "body": "b", "to": ["loft:1"], "channels": ["pigeon"]}
    assert spec.request.model_validate(document).model_dump()["channels"] == ["pigeon"]


def test_a_second_class_for_a_channel_is_refused() -> None:
    registry: Registry[Any] = Registry("channel")
    channel(registry)
    with pytest.raises(
        DeclarationError, match="PigeonMixin: a channel named 'pigeon' is already declared"
    ):
        channel(registry)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"address": None}, "PigeonMixin.address: must be a descriptor.* `address = Email"),
        ({"address": "a@b"}, "PigeonMixin.address: must be a descriptor.* `address = Email"),
        ({"scheme": None}, 'PigeonMixin.scheme: missing; write `scheme = "mailto"`'),
        ({"parts": None}, "PigeonMixin.parts: missing; write `parts = "),
        ({"send_pigeon": None}, "PigeonMixin.send_pigeon: missing; write `async def send_pigeon"),
        *(
            (
                {"send_pigeon": blocking},
                r"send_pigeon: must be a coroutine function; write `async def send_pigeon\(",
            )
            for blocking in (send_in_thread, send_pigeons, send_pigeons_later)
        ),
        ({"name": "Pigeon Post"}, "PigeonMixin: the channel name 'Pigeon Post' must be"),
    ],
)
def test_an_invalid_channel_fails_at_import_with_class_attribute_and_remedy(
    body: dict[str, Any], message: str
) -> None:
    registry: Registry[Any] = Registry("channel")
    with pytest.raises(DeclarationError, match=message):
        channel(registry, **body)
    assert len(registry) == 0


def test_a_kind_registers_no_channel(kinds: Kinds) -> None:
    before = list(CHANNELS)
    declared(kinds, "LostNotifier", WITH_EMAIL)
    assert list(CHANNELS) == before
