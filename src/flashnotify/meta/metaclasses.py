"""The base classes of channel mixins and kinds, and the metaclasses that compile those to specs."""

import inspect
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from flashnotify.domain import Rendering
from flashnotify.errors import DeclarationError
from flashnotify.meta.descriptors import Field, Priority, TimeWindow
from flashnotify.meta.registry import CHANNELS, NOTIFIERS, DeclarationMeta, Registry
from flashnotify.meta.requests import NotificationRequest, request_model
from flashnotify.meta.specs import DEFAULT_RETENTION, ChannelSpec, NotifierSpec

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
    _reject(cls, _channel_problems(cls, channel))
    return ChannelSpec(
        name=channel,
        mixin=cls,
        scheme=cls.scheme,
        address=cls.address,
        parts=tuple(cls.parts),
        send=f"send_{channel}",
        rings=bool(vars(cls).get("rings", False)),
    )


def _channel_problems(cls: type[Any], channel: str) -> Iterator[str]:
    declared = vars(cls)
    if not _NAME.fullmatch(channel):
        yield f": the channel name {channel!r} must be lower-case letters, digits and '_'."
    if not isinstance(getattr(cls, "address", None), Field):
        yield ".address: must be a descriptor of its addresses; write `address = Email()`."
    for attribute, example in (("scheme", '"mailto"'), ("parts", '("subject", "text")')):
        if attribute not in declared:
            yield f".{attribute}: missing; write `{attribute} = {example}`."
    send = f"send_{channel}"
    if not inspect.iscoroutinefunction(declared.get(send)):
        problem = "must be a coroutine function" if send in declared else "missing"
        yield f".{send}: {problem}; write `async def {send}(self, message, transport, config)`."


def _reject(cls: type[Any], problems: Iterable[str]) -> None:
    for problem in problems:
        raise DeclarationError(cls.__name__ + problem)


class Channel(metaclass=ChannelMeta):
    """Base class of the channel mixins."""

    __channel__: ClassVar[ChannelSpec]
    address: ClassVar[Field[Any]]

    @classmethod
    def check_address(cls, address: Any, config: Any) -> None:
        """Check a canonical address against the channel's settings.

        Raise `ValueError` if the settings do not allow it; the message says what they allow.
        """

    @classmethod
    def prepare(cls, rendering: Rendering, config: Any) -> Any:
        """Return what the messages of a rendering share, made once for all recipients.

        The channel finds it in `Message.content`.
        """
        return rendering


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
_RESERVED = (NotificationRequest.model_fields.keys() - {"priority"}) | {
    *(
        "acknowledgement",
        "values",
        "prepare",
        "check_address",
        "example",
        "default_channels",
        "mandatory",
    )
}


def _compile_notifier(cls: type[Any]) -> NotifierSpec:
    doc = (vars(cls).get("__doc__") or "").strip()
    fields: dict[str, Any] = {
        key: value
        for base in reversed(cls.__mro__)
        if isinstance(base, NotificationMeta)
        for key, value in vars(base).items()
        if isinstance(value, Field)
    }
    specs = (vars(base).get("__channel__") for base in cls.__mro__)
    channels = {spec.name: spec for spec in specs if spec is not None}
    _reject(cls, _notifier_problems(cls, doc, fields, channels))
    kind = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__.removesuffix("Notifier")).lower()
    priority, quiet_hours = fields.pop("priority"), fields.pop("quiet_hours", None)
    return NotifierSpec(
        kind=kind,
        summary=doc.splitlines()[0],
        notifier=cls,
        fields=fields,
        priority=priority.default,
        channels=channels,
        request=request_model(kind, doc, fields, channels),
        quiet_hours=quiet_hours.default if quiet_hours is not None else None,
        retention=cls.retention,
        default_channels=cls.default_channels or frozenset(channels),
        mandatory=cls.mandatory,
    )


def _notifier_problems(
    cls: type[Any], doc: str, fields: Mapping[str, Field[Any]], channels: Collection[str]
) -> Iterator[str]:
    if not re.fullmatch(".+Notifier", cls.__name__):
        yield ": must be named after its kind; name it like AcademicNotifier."
    if not doc:
        yield ": has no docstring; write one line that tells senders what this kind is for."
    if not isinstance(fields.get("priority"), Priority):
        yield '.priority: missing; write `priority = Priority(default="low")`.'
    hours = fields.get("quiet_hours")
    if hours is not None and not (isinstance(hours, TimeWindow) and hours.default):
        yield (
            '.quiet_hours: has no hours; write `quiet_hours = TimeWindow("22:00-07:00")`, '
            "or remove it."
        )
    if not isinstance(cls.retention, timedelta) or cls.retention <= timedelta():
        yield ".retention: must be a positive timedelta; write `retention = timedelta(days=365)`."
    for name in sorted(cls.default_channels - set(channels)):
        yield f".default_channels: has no channel {name!r}; inherit from its mixin or remove it."
    for name in sorted(fields.keys() & _RESERVED):
        yield f".{name}: reserved, because every notification has a {name!r}; rename the field."
    if not channels:
        yield ": has no channel; inherit from a mixin such as EmailMixin before Notifier."


class Notifier(metaclass=NotificationMeta, abstract=True):
    """Base class of the kinds. An instance holds the data of one notification and can send it."""

    __notifier__: ClassVar[NotifierSpec]
    # How long finished notifications of this kind are kept.
    retention: ClassVar[timedelta] = DEFAULT_RETENTION
    # The channels on which people get this kind unless they choose others; without any: all.
    default_channels: ClassVar[frozenset[str]] = frozenset()
    # Whether people cannot opt out.
    mandatory: ClassVar[bool] = False
    # Title and body of a harmless notification, as the documentation shows it.
    example: ClassVar[tuple[str, str]] = ("Test", "This is only a test. You need not do anything.")

    def __init__(self, **data: object) -> None:
        """Set each field through its descriptor.

        Raise `ValueError` if a field is unknown, missing or invalid.
        """
        fields = self.__notifier__.fields
        for name, value in data.items():
            if name not in fields:
                raise ValueError(f"{name}: not a field of {self.__notifier__.kind}")
            if value is not None:
                setattr(self, name, value)
        for name, field in fields.items():
            if field.required and name not in self.__dict__:
                raise ValueError(f"{name}: is required")

    def values(self) -> dict[str, Any]:
        """Return the fields that are set, by name."""
        return {
            name: self.__dict__[name] for name in self.__notifier__.fields if name in self.__dict__
        }
