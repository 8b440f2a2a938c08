"""The metaclasses that compile a channel or a kind into a frozen spec when its class is created."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flashnotify.errors import DeclarationError
from flashnotify.meta.descriptors import Field, Priority, TimeWindow
from flashnotify.meta.registry import CHANNELS, NOTIFIERS, Registry
from flashnotify.meta.requests import request_model
from flashnotify.meta.specs import ChannelSpec, NotifierSpec

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class ChannelMeta(type):
    """Compiles a channel mixin into a `ChannelSpec` and registers it under its name.

    A mixin has the class keyword `channel="email"`, the descriptor of its addresses as `address`,
    their URI scheme as `scheme`, the template parts that it needs as `parts`, and one coroutine
    function `send_email`. With `rings = True` it waits for the end of a kind's quiet hours.
    """

    def __new__(  # noqa: D102  # documented on the class
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
            f"{name}.address: must be a descriptor of its addresses; write `address = Email()`."
        )
    for attribute, example in (("scheme", '"mailto"'), ("parts", '("subject", "text")')):
        if attribute not in namespace:
            raise DeclarationError(f"{name}.{attribute}: missing; write `{attribute} = {example}`.")
    send = f"send_{channel}"
    if not inspect.iscoroutinefunction(namespace.get(send)):
        problem = "must be a coroutine function" if send in namespace else "missing"
        raise DeclarationError(
            f"{name}.{send}: {problem}; write `async def {send}(self, message, transport, config)`."
        )
    return ChannelSpec(
        name=channel,
        mixin=cls,
        scheme=namespace["scheme"],
        address=address,
        parts=tuple(namespace["parts"]),
        send=send,
        rings=bool(namespace.get("rings", False)),
    )


class NotificationMeta(ChannelMeta):
    """Compiles a Notifier into a `NotifierSpec` and registers it under its kind.

    The kind is the class name without `Notifier`, in lower case. The metaclass derives from
    `ChannelMeta` because a Notifier inherits from channel mixins; it registers no channel.
    """

    def __new__(  # noqa: D102  # documented on the class
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
            f'{name}.priority: missing; write `priority = Priority(default="low")`.'
        )
    quiet_hours = fields.pop("quiet_hours", None)
    window = quiet_hours.default if isinstance(quiet_hours, TimeWindow) else None
    if quiet_hours is not None and window is None:
        raise DeclarationError(
            f"{name}.quiet_hours: has no hours; write "
            '`quiet_hours = TimeWindow("22:00-07:00")`, or remove it.'
        )
    if reserved := sorted(fields.keys() & _RESERVED):
        raise DeclarationError(
            f"{name}.{reserved[0]}: reserved, because every notification has a {reserved[0]!r}; "
            "rename the field."
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
            f"{name}.retention: must be a positive timedelta; write "
            "`retention = timedelta(days=365)`."
        )
    return retention


def _kind(name: str) -> str:
    stem = name.removesuffix("Notifier")
    if stem == name or not stem:
        raise DeclarationError(
            f"{name}: must be named after its kind; name it like AcademicNotifier."
        )
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
        # Attributes of Notifier itself.
        "values",
        "prepare",
        "check_address",
    }
)
