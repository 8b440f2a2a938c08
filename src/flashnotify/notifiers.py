"""The kinds of notification that this campus has."""

from __future__ import annotations

from flashnotify.channels.chat.channel import ChatMixin
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.channels.push.channel import PushNotificationMixin
from flashnotify.channels.sms.channel import SMSMixin
from flashnotify.meta.descriptors import Choice, Moment, Phone, Priority, Text, TimeWindow
from flashnotify.meta.metaclasses import Notifier


class SecurityNotifier(EmailMixin, SMSMixin, PushNotificationMixin, ChatMixin, Notifier):
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


class HealthNotifier(EmailMixin, SMSMixin, PushNotificationMixin, ChatMixin, Notifier):
    """A risk to people's health, and how to protect oneself and others."""

    advice = Text(
        multiline=True,
        max_length=2000,
        help="What people can do.",
        example="Do not use the showers until further notice.",
    )
    location = Text(help="Where the risk is.", example="Sports hall")
    helpline = Phone(help="A number to call with questions.", example="+33144276000")
    priority = Priority(default="critical")


class WeatherNotifier(EmailMixin, SMSMixin, PushNotificationMixin, ChatMixin, Notifier):
    """Weather that changes what people should do: a storm, snow, a heat wave."""

    # The words of the Common Alerting Protocol (OASIS CAP 1.2, section 3.2.2, severity).
    severity = Choice(
        "minor",
        "moderate",
        "severe",
        "extreme",
        help="How bad it may get, in the words of the Common Alerting Protocol.",
        example="severe",
    )
    effective_from = Moment(help="When it begins.", example="2026-12-03T18:00:00+01:00")
    effective_until = Moment(help="When it is over.", example="2026-12-04T06:00:00+01:00")
    priority = Priority(default="high")


class InfrastructureNotifier(EmailMixin, SMSMixin, PushNotificationMixin, ChatMixin, Notifier):
    """Something of the campus that does not work, or will not: network, water, a lift."""

    building = Text(help="The building that is affected.", example="Library")
    service = Text(help="What does not work.", example="Wi-Fi")
    starts_at = Moment(help="When it stops working.", example="2026-12-05T20:00:00+01:00")
    ends_at = Moment(help="When it should work again.", example="2026-12-05T23:00:00+01:00")
    priority = Priority(default="medium")


class AcademicNotifier(EmailMixin, SMSMixin, PushNotificationMixin, ChatMixin, Notifier):
    """A course, an exam or a grade: something about someone's studies."""

    course = Text(required=True, help="The course's code or name.", example="ALG-2")
    room = Text(help="Where it takes place.", example="B204")
    starts_at = Moment(help="When it begins.", example="2026-12-12T09:00:00+01:00")
    teacher = Text(help="Who gives it.", example="Prof. Noether")
    priority = Priority(default="low")
    quiet_hours = TimeWindow("22:00-07:00")


class AdministrativeNotifier(EmailMixin, SMSMixin, PushNotificationMixin, ChatMixin, Notifier):
    """Something to see to: an enrolment, a fee, a form, and by when."""

    deadline = Moment(help="By when it must be done.", example="2026-12-15T17:00:00+01:00")
    office = Text(help="Where to go or whom to ask.", example="Registrar, room A012")
    priority = Priority(default="low")
    quiet_hours = TimeWindow("22:00-07:00")
