"""Renders the templates of a kind with the data of a notification."""

from contextlib import suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flashnotify.archive.people_records import Person
from flashnotify.archive.records import Notification
from flashnotify.delivery.acknowledgement_request import AcknowledgementRequest
from flashnotify.domain import Rendering
from flashnotify.errors import DeclarationError
from flashnotify.meta import Notifier
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import ChannelSpec, NotifierSpec, TemplatesSpec
from flashnotify.people.wording import words_for


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

    def notifier(self, notification: Notification) -> Notifier:
        """Return the notifier that sends a notification.

        Raises:
            ValueError: the data of the notification is damaged, or its kind no longer takes it.
        """
        if notification.damaged:
            raise ValueError("the data in the archive cannot be read")
        notifier: Notifier = self._kinds[notification.kind].notifier(**notification.data)
        return notifier

    def render(
        self,
        notification: Notification,
        notifier: Notifier,
        channel: ChannelSpec,
        locale: str,
        person: Person | None = None,
        link: str | None = None,
    ) -> Rendering:
        """Return what a notification says on `channel` to recipients with `locale`.

        `person` is the one who is addressed, and `link` that with which they acknowledge it.

        Raises:
            MissingValue: the person has no value for a placeholder without a default.
        """
        title, body = words_for(notification, locale, person)
        templates = self._templates[notification.kind]
        found = templates.nearest(locale, notification.locale)
        values = {
            **{name: self._local(value) for name, value in notifier.values().items()},
            "title": title,
            "body": body,
            "priority": notification.priority.name,
        }
        if link is None:
            return templates.render(found, channel.parts, values)
        request = AcknowledgementRequest(link, found)
        rendering = templates.render(found, channel.parts, values | {"acknowledgement": request})
        return Rendering(found, request.within(rendering.parts), request.brief)

    def _local(self, value: Any) -> Any:
        """Return a value as people on the campus read it: moments in local time."""
        if isinstance(value, datetime) and self._zone is not None:
            # The last hours of the year 9999 have no date in some zones.
            with suppress(OverflowError):
                return value.astimezone(self._zone)
        return value
