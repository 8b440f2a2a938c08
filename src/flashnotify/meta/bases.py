"""The base classes of channel mixins and of kinds."""

from datetime import timedelta
from typing import Any, ClassVar

from flashnotify.domain import Rendering
from flashnotify.meta.descriptors import Field
from flashnotify.meta.metaclasses import ChannelMeta, NotificationMeta
from flashnotify.meta.specs import DEFAULT_RETENTION, ChannelSpec, NotifierSpec


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


class Notifier(metaclass=NotificationMeta, abstract=True):
    """Base class of the kinds. An instance holds the data of one notification and can send it."""

    __notifier__: ClassVar[NotifierSpec]
    # How long finished notifications of this kind are kept.
    retention: ClassVar[timedelta] = DEFAULT_RETENTION

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
