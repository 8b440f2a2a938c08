"""The metaclasses that compile a declaration, once, at class creation, into a frozen spec."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar, TypeVar, cast

from flashnotify.domain import Rendering
from flashnotify.errors import DeclarationError
from flashnotify.meta.descriptors import Priority, TimeWindow
from flashnotify.meta.field import Field
from flashnotify.meta.registry import CHANNELS, NOTIFIERS, Registry
from flashnotify.meta.requests import request_model
from flashnotify.meta.specs import ChannelSpec, NotifierSpec

Made = TypeVar("Made")

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class ChannelMeta(type):
    """Compiles a channel mixin into its `ChannelSpec` and registers it under its name.

    A mixin gives the class keyword `channel="email"`, an address descriptor as `address`, the URI
    scheme of such addresses as `scheme`, the names of the texts it needs as `parts`, and one
    coroutine `send_email`; or, if it blocks, a plain function, which is called in a thread. With
    `rings = True` it waits for the end of a kind's quiet hours.
    """

    def __new__(  # noqa: D102  # the class docstring says it
        metacls,
        name: str,
        bases: tuple[type[Any], ...],
        namespace: dict[str, Any],
        *,
        channel: str | None = None,
        registry: Registry[Any] = CHANNELS,
        **keywords: Any,
    ) -> ChannelMeta:
        cls = super().__new__(metacls, name, bases, namespace, **keywords)
        if channel is not None:
            spec = _compile_channel(cls, name, channel, namespace)
            registry.add(channel, cls, cls)
            cls.__channel__ = spec  # type: ignore[attr-defined]  # declared on Channel
        return cls


def _compile_channel(
    cls: type[Any], name: str, channel: str, namespace: Mapping[str, Any]
) -> ChannelSpec:
    if not _NAME.fullmatch(channel):
        raise DeclarationError(
            f"{name}: the channel name {channel!r} must be lower-case letters, digits and '_'."
        )
    address = getattr(cls, "address", None)
    if not isinstance(address, Field):
        raise DeclarationError(
            f"{name}.address: declare how its addresses are checked, such as `address = Email()`."
        )
    for attribute, example in (("scheme", '"mailto"'), ("parts", '("subject", "text")')):
        if attribute not in namespace:
            raise DeclarationError(
                f"{name}.{attribute}: is missing; write `{attribute} = {example}`."
            )
    send = f"send_{channel}"
    sends = namespace.get(send)
    usual = f"`async def {send}(self, message, transport, config)`"
    if not callable(sends):
        raise DeclarationError(f"{name}.{send}: is missing; write {usual}.")
    if inspect.isgeneratorfunction(sends) or inspect.isasyncgenfunction(sends):
        raise DeclarationError(
            f"{name}.{send}: yields, so calling it sends nothing; write {usual}."
        )
    return ChannelSpec(
        name=channel,
        mixin=cls,
        scheme=namespace["scheme"],
        address=address,
        parts=tuple(namespace["parts"]),
        send=send,
        blocking=not inspect.iscoroutinefunction(sends),
        rings=bool(namespace.get("rings", False)),
    )


class NotificationMeta(ChannelMeta):
    """Compiles a Notifier into its `NotifierSpec` and registers it under its kind.

    The kind is the class name without `Notifier`, in lower case. It is an instance of
    `ChannelMeta` too, since a Notifier inherits from channel mixins, but registers no channel.
    """

    def __new__(  # noqa: D102  # the class docstring says it
        metacls,
        name: str,
        bases: tuple[type[Any], ...],
        namespace: dict[str, Any],
        *,
        abstract: bool = False,
        registry: Registry[Any] = NOTIFIERS,
        **keywords: Any,
    ) -> NotificationMeta:
        cls = super().__new__(metacls, name, bases, namespace, **keywords)
        assert isinstance(cls, NotificationMeta)
        if not abstract:
            cls.__notifier__ = _compile_notifier(cls, name)
            registry.add(cls.__notifier__.kind, cls.__notifier__, cls)
        return cls

    __notifier__: NotifierSpec


def _compile_notifier(cls: type[Any], name: str) -> NotifierSpec:
    kind = _kind(name)
    doc = (cls.__doc__ or "").strip()
    if "__doc__" not in cls.__dict__ or not doc:
        raise DeclarationError(
            f"{name}: has no docstring; write one line that tells senders what this kind is for."
        )
    fields: dict[str, Field[Any]] = {}
    for base in reversed(cls.__mro__):
        if isinstance(base, NotificationMeta):
            fields |= {key: value for key, value in vars(base).items() if isinstance(value, Field)}
    priority = fields.pop("priority", None)
    if not isinstance(priority, Priority):
        raise DeclarationError(
            f'{name}.priority: is missing; write `priority = Priority(default="low")`.'
        )
    quiet_hours = fields.pop("quiet_hours", None)
    window = quiet_hours.default if isinstance(quiet_hours, TimeWindow) else None
    if quiet_hours is not None and window is None:
        raise DeclarationError(
            f"{name}.quiet_hours: says no hours; write "
            '`quiet_hours = TimeWindow("22:00-07:00")`, or leave it out.'
        )
    for field in fields:
        if field in _RESERVED:
            raise DeclarationError(
                f"{name}.{field}: every notification has a {field!r} of its own; "
                "give the field another name."
            )
    channels = {
        base.__dict__["__channel__"].name: base.__dict__["__channel__"]
        for base in cls.__mro__
        if "__channel__" in base.__dict__
    }
    if not channels:
        raise DeclarationError(
            f"{name}: has no channel; inherit from a mixin such as EmailMixin before Notifier."
        )
    return NotifierSpec(
        kind=kind,
        summary=doc.splitlines()[0],
        notifier=cls,
        fields=fields,
        priority=priority.default,
        channels=channels,
        request=request_model(kind, doc, fields, channels),
        quiet_hours=window,
        retention=_retention(cls, name),
    )


def _retention(cls: type[Any], name: str) -> timedelta:
    retention = cls.retention
    if not isinstance(retention, timedelta) or retention <= timedelta():
        raise DeclarationError(
            f"{name}.retention: say for how long it is kept, such as `timedelta(days=365)`."
        )
    return retention


def _kind(name: str) -> str:
    stem = name.removesuffix("Notifier")
    if stem == name or not stem:
        raise DeclarationError(f"{name}: name the class after its kind, such as AcademicNotifier.")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", stem).lower()


_RESERVED = frozenset(
    {
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
        # What a Notifier has by itself.
        "values",
        "once",
    }
)


class Channel(metaclass=ChannelMeta):
    """Base of the channel mixins."""

    __channel__: ClassVar[ChannelSpec]
    address: ClassVar[Field[Any]]

    @classmethod
    def check_address(cls, address: Any, config: Any) -> None:
        """Check what only the settings can say of an address in canonical form.

        Raises:
            ValueError: with a message that tells the person what is expected.
        """

    def once(self, rendering: Rendering, make: Callable[[Rendering], Made]) -> Made:
        """What `make` makes of `rendering`: made for the first recipient, kept for the others."""
        made: dict[str, Any] = self.__dict__.setdefault("_made", {})
        key = f"{make.__qualname__} {rendering.locale}"
        if key not in made:
            made[key] = make(rendering)
        return cast(Made, made[key])


class Notifier(metaclass=NotificationMeta, abstract=True):
    """Base of the kinds. An instance holds the data of one notification and can send it."""

    __notifier__: ClassVar[NotifierSpec]
    # How long notifications of the kind are kept once they are over.
    retention: ClassVar[timedelta] = timedelta(days=365)

    def __init__(self, **data: object) -> None:
        """Assign each field through its descriptor.

        Raises:
            ValueError: a field is unknown, missing or wrong.
        """
        fields = self.__notifier__.fields
        for name, value in data.items():
            if name not in fields:
                raise ValueError(f"{name}: {self.__notifier__.kind} has no such field")
            if value is not None:
                setattr(self, name, value)
        for name, field in fields.items():
            if field.required and name not in self.__dict__:
                raise ValueError(f"{name}: is required")

    def values(self) -> dict[str, Any]:
        """The fields that are set, by name."""
        return {
            name: self.__dict__[name] for name in self.__notifier__.fields if name in self.__dict__
        }
