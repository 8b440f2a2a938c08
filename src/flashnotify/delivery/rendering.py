"""Renders the templates of a kind with the data of a notification."""

from contextlib import suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flashnotify.archive.records import Notification
from flashnotify.domain import Rendering
from flashnotify.errors import DeclarationError
from flashnotify.meta import Notifier
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import ChannelSpec, NotifierSpec, TemplatesSpec


class Renderer:
    """Renders notifications; moments are shown in the time of `zone`, if there is one."""

    def __init__(
        self,
        kinds: Registry[NotifierSpec],
        templates: Registry[TemplatesSpec],
        zone: ZoneInfo | None,
    ) -> None:
        """Check that every kind has templates. Raise `DeclarationError` if a kind has none."""
        for kind in kinds.values():
            if kind.kind not in templates:
                name = kind.notifier.__name__
                raise DeclarationError(
                    f"{name}: has no templates; write `class "
                    f"{name.removesuffix('Notifier')}Templates(Templates, of={name}): …`."
                )
        self._kinds = kinds
        self._templates = templates
        self._zone = zone

    def render(
        self, notification: Notification, channel: ChannelSpec, locale: str
    ) -> tuple[Notifier, Rendering]:
        """Return the notifier that sends a notification, and what it says on `channel`.

        `locale` is that of its recipients.

        Raises:
            ValueError: the data of the notification is damaged, or its kind no longer takes it.
        """
        if notification.damaged:
            raise ValueError("the data in the archive cannot be read")
        kind = self._kinds[notification.kind]
        notifier: Notifier = kind.notifier(**notification.data)
        values = {
            **{name: self._local(value) for name, value in notifier.values().items()},
            "title": notification.title,
            "body": notification.body,
            "priority": notification.priority.name,
        }
        templates = self._templates[kind.kind]
        return notifier, templates.render(locale, channel.parts, values)

    def _local(self, value: Any) -> Any:
        """Return a value as people on the campus read it: moments in local time."""
        if isinstance(value, datetime) and self._zone is not None:
            # The last hours of the year 9999 have no date in some zones.
            with suppress(OverflowError):
                return value.astimezone(self._zone)
        return value
