"""Enrolments, fees and forms."""

from flashnotify.channels import ChatMixin, EmailMixin, InAppMixin, PushNotificationMixin, SMSMixin
from flashnotify.kinds.wording import Detail, compose
from flashnotify.meta import Moment, Notifier, Priority, Templates, Text, TimeWindow


class AdministrativeNotifier(
    EmailMixin, SMSMixin, PushNotificationMixin, ChatMixin, InAppMixin, Notifier
):
    """Something to do by a deadline: an enrolment, a fee, a form."""

    priority = Priority(default="low")
    quiet_hours = TimeWindow("22:00-07:00")
    default_channels = frozenset({"email", "push", "in_app"})
    example = (
        "Enrol for the second semester",
        "Enrolment is open. It takes five minutes online.",
    )
    deadline = Moment(help="When it must be done.", example="2026-12-15T17:00:00+01:00")
    office = Text(help="Where to go or who to ask.", example="Registrar, room A012")


class AdministrativeTemplates(Templates, of=AdministrativeNotifier):
    """The deadline first."""

    en, fr = compose(
        label="Administration",
        colour="#6d28d9",
        subject="[Administration] {{ title }}",
        details=[
            Detail.moment("deadline", ("Deadline", "Date limite"), brief=("By", "Avant")),
            Detail("office", ("Office", "Bureau"), brief=""),
        ],
    )
