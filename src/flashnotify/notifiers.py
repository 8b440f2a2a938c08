"""The kinds of notification that this campus has."""

from __future__ import annotations

from flashnotify.channels.email import EmailMixin
from flashnotify.meta.descriptors import Moment, Priority, Text
from flashnotify.meta.metaclasses import Notifier


class SecurityNotifier(EmailMixin, Notifier):
    """A danger to people on the campus, and what they must do."""

    location = Text(required=True, help="Where the danger is.", example="Building B, 2nd floor")
    instructions = Text(
        required=True,
        multiline=True,
        max_length=2000,
        help="What people must do now.",
        example="Leave the building by the nearest exit.",
    )
    priority = Priority(default="critical")


class AcademicNotifier(EmailMixin, Notifier):
    """A course, an exam or a grade: something about someone's studies."""

    course = Text(required=True, help="The course's code or name.", example="ALG-2")
    room = Text(help="Where it takes place.", example="B204")
    starts_at = Moment(help="When it begins.", example="2026-12-12T09:00:00+01:00")
    teacher = Text(help="Who gives it.", example="Prof. Noether")
    priority = Priority(default="low")
