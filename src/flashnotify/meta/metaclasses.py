"""The metaclasses that compile a channel or a kind into a frozen spec when its class is created."""

import inspect
import re
from datetime import timedelta
from typing import Any

from flashnotify.errors import DeclarationError
from flashnotify.meta.descriptors import Field, Priority, TimeWindow
from flashnotify.meta.registry import CHANNELS, NOTIFIERS, DeclarationMeta, Registry
from flashnotify.meta.requests import NotificationRequest, request_model
from flashnotify.meta.specs import ChannelSpec, NotifierSpec

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class ChannelMeta(DeclarationMeta):
    """Compiles a channel mixin into a `ChannelSpec` and registers it under its name.

    A mixin has the class keyword `channel="email"`, the descriptor of its addresses as `address`,
    their URI scheme as `scheme`, the template parts that it needs as `parts`, and one coroutine
    function `send_email`. With `rings = True` it waits for the end of a kind's quiet hours.
    """

    def _declare(cls, *, channel: str | None = None, registry: Registry[Any] = CHANNELS) -> None:
        if channel is not None:
            cls.__channel__ = _compile_channel(cls, channel)
            registry.add(channel, cls, cls)

    __channel__: ChannelSpec


def _compile_channel(cls: type[Any], channel: str) -> ChannelSpec:
    name, namespace = cls.__name__, vars(cls)
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

    def _declare(  # type: ignore[override]  # the keywords of a kind, not of a channel
        cls, *, abstract: bool = False, registry: Registry[Any] = NOTIFIERS
    ) -> None:
        if not abstract:
            cls.__notifier__ = _compile_notifier(cls)
            registry.add(cls.__notifier__.kind, cls.__notifier__, cls)

    __notifier__: NotifierSpec


# Names that a field must not have: every notification has them, or Notifier itself.
_RESERVED = NotificationRequest.model_fields.keys() | {"values", "prepare", "check_address"}


def _compile_notifier(cls: type[Any]) -> NotifierSpec:
    name = cls.__name__
    kind = _kind(name)
    doc = (vars(cls).get("__doc__") or "").strip()
    if not doc:
        raise DeclarationError(
            f"{name}: has no docstring; write one line that tells senders what this kind is for."
        )
    fields = {
        key: value
        for base in reversed(cls.__mro__)
        if isinstance(base, NotificationMeta)
        for key, value in vars(base).items()
        if isinstance(value, Field)
    }
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
    if not isinstance(cls.retention, timedelta) or cls.retention <= timedelta():
        raise DeclarationError(
            f"{name}.retention: must be a positive timedelta; write "
            "`retention = timedelta(days=365)`."
        )
    if reserved := sorted(fields.keys() & _RESERVED):
        raise DeclarationError(
            f"{name}.{reserved[0]}: reserved, because every notification has a {reserved[0]!r}; "
            "rename the field."
        )
    specs = (vars(base).get("__channel__") for base in cls.__mro__)
    channels = {spec.name: spec for spec in specs if spec is not None}
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
        retention=cls.retention,
    )


def _kind(name: str) -> str:
    stem = name.removesuffix("Notifier")
    if stem == name or not stem:
        raise DeclarationError(
            f"{name}: must be named after its kind; name it like AcademicNotifier."
        )
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", stem).lower()
