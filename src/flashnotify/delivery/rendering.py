"""What a notification says on a channel: its kind's templates, filled with its data."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from flashnotify.domain import Priority, Rendering
from flashnotify.errors import DeclarationError
from flashnotify.meta.metaclasses import Notifier
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import ChannelSpec, NotifierSpec, TemplatesSpec


class Renderer:
    """Renders notifications.

    Messages show moments in the time of `zone`; without one, with the offset that each came with.
    """

    def __init__(
        self,
        kinds: Registry[NotifierSpec],
        templates: Registry[TemplatesSpec],
        zone: ZoneInfo | None,
    ) -> None:
        """Take the templates of all kinds.

        Raises:
            DeclarationError: a kind has none.
        """
        for kind in kinds:
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
        self, notification: Row[Any], priority: Priority, channel: ChannelSpec
    ) -> tuple[Notifier, Rendering]:
        """The notifier that sends a row of the archive, and what it says on `channel`."""
        kind = self._kinds[notification.kind]
        notifier: Notifier = kind.notifier(**json.loads(notification.data))
        values = {
            **{name: self._shown(value) for name, value in notifier.values().items()},
            "title": notification.title,
            "body": notification.body,
            "priority": priority.name,
        }
        templates = self._templates[kind.kind]
        return notifier, templates.render(notification.locale, channel.parts, values)

    def _shown(self, value: Any) -> Any:
        """A field as people on the campus read it: moments by their own clocks."""
        if isinstance(value, datetime) and self._zone is not None:
            # In the last hours of the year 9999 some zones have no date any more.
            with suppress(OverflowError):
                return value.astimezone(self._zone)
        return value
