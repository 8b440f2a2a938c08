"""Courses, exams and grades."""

from flashnotify.channels import ChatMixin, EmailMixin, InAppMixin, PushNotificationMixin, SMSMixin
from flashnotify.kinds.wording import Detail, compose
from flashnotify.meta import Moment, Notifier, Priority, Templates, Text, TimeWindow


class AcademicNotifier(
    EmailMixin, SMSMixin, PushNotificationMixin, ChatMixin, InAppMixin, Notifier
):
    """A course, an exam or a grade: something about someone's studies."""

    priority = Priority(default="low")
    quiet_hours = TimeWindow("22:00-07:00")
    default_channels = frozenset({"email", "push", "in_app"})
    example = ("Room changed", "The exam takes place in room B204 instead of A101.")
    course = Text(required=True, help="The course's code or name.", example="ALG-2")
    room = Text(help="Where it takes place.", example="B204")
    starts_at = Moment(help="When it begins.", example="2026-12-12T09:00:00+01:00")
    teacher = Text(help="Who teaches it.", example="Prof. Noether")


class AcademicTemplates(Templates, of=AcademicNotifier):
    """The course first, since people scan for it."""

    en, fr = compose(
        label=("Studies", "Études"),
        headline="{{ course }}",
        marker=("COURSE {{ course }}", "COURS {{ course }}"),
        colour="#1d4ed8",
        subject="[{{ course }}] {{ title }}",
        details=[
            Detail("course", ("Course", "Cours")),
            Detail.moment("starts_at", ("When", "Quand")),
            Detail("room", ("Room", "Salle"), brief=("Room", "Salle")),
            Detail("teacher", ("Teacher", "Enseignant")),
        ],
    )
