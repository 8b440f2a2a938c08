"""The texts of a batch: made when they are first needed, once for all who read the same."""

from typing import Any

from flashnotify.archive.people_records import Person
from flashnotify.archive.records import Notification
from flashnotify.delivery.rendering import Renderer
from flashnotify.delivery.transports import OpenChannel
from flashnotify.domain import Rendering
from flashnotify.meta import Notifier


class Texts(dict[str, tuple[Rendering, Any]]):
    """What a notification says on one channel by locale, with what the channel made of it.

    To make one takes a millisecond, so that each is made in the turn of its first message.
    """

    def __init__(
        self,
        renderer: Renderer,
        notification: Notification,
        notifier: Notifier,
        channel: OpenChannel,
    ) -> None:
        super().__init__()
        self._renderer = renderer
        self._of = (notification, notifier, channel.spec)
        self._prepare, self._config = channel.spec.mixin.prepare, channel.config

    def __missing__(self, locale: str) -> tuple[Rendering, Any]:
        found = self[locale] = self.of_one(locale, None, None)
        return found

    def of_one(self, locale: str, person: Person | None, link: str | None) -> tuple[Rendering, Any]:
        """Return the texts for one recipient, which nobody else gets.

        Raises:
            MissingValue: the person has no value for a placeholder without a default.
        """
        rendering = self._renderer.render(*self._of, locale, person, link)
        return rendering, self._prepare(rendering, self._config)
