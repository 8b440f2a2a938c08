"""The title and body of a notification, as one recipient reads them."""

from collections.abc import Mapping
from typing import NamedTuple

from flashnotify.archive.people_records import Person
from flashnotify.archive.records import Notification
from flashnotify.meta.language_lookup import lookup
from flashnotify.people.placeholders import fill

# How the title of a reminder begins.
_REMINDER: Mapping[str, str] = {"en": "Reminder: ", "fr": "Rappel\N{NO-BREAK SPACE}: "}


class Words(NamedTuple):
    """A title and a body."""

    title: str
    body: str


def words_for(notification: Notification, locale: str, person: Person | None = None) -> Words:
    """Return what a recipient with `locale` reads. `person` is the one in the directory, if any.

    Raises:
        MissingValue: the person has no value for a placeholder without a default.
    """
    title, body = _in_language(notification, locale)
    if notification.personalised:
        title, body = fill(title, person), fill(body, person)
    if notification.reminds_of is not None:
        title = _REMINDER[lookup(_REMINDER, locale, notification.locale) or "en"] + title
    return Words(title, body)


def _in_language(notification: Notification, locale: str) -> Words:
    """Return the text for a locale, or that for the notification's, or its title and body."""
    if notification.texts is not None:
        found = lookup(notification.texts, locale, notification.locale)
        if found is not None:
            text = notification.texts[found]
            return Words(text["title"], text["body"])
    return Words(notification.title, notification.body)
