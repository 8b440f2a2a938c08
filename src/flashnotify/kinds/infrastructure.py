"""Outages and works on the campus."""

from flashnotify.channels import ChatMixin, EmailMixin, InAppMixin, PushNotificationMixin, SMSMixin
from flashnotify.kinds.wording import Detail, compose
from flashnotify.meta import Moment, Notifier, Priority, Templates, Text


class InfrastructureNotifier(
    EmailMixin, SMSMixin, PushNotificationMixin, ChatMixin, InAppMixin, Notifier
):
    """Something on the campus that is down, or will be: the network, water, a lift."""

    priority = Priority(default="medium")
    default_channels = frozenset({"email", "push", "in_app"})
    example = (
        "No Wi-Fi in the library on Saturday evening",
        "We are replacing the access points. Wired sockets keep working.",
    )
    building = Text(help="The building that is affected.", example="Library")
    service = Text(help="The service that is down.", example="Wi-Fi")
    starts_at = Moment(help="When it stops working.", example="2026-12-05T20:00:00+01:00")
    ends_at = Moment(help="When it should work again.", example="2026-12-05T23:00:00+01:00")


class InfrastructureTemplates(Templates, of=InfrastructureNotifier):
    """What people need to plan around it."""

    en, fr = compose(
        label=("Buildings and services", "Bâtiments et services"),
        headline="Campus",
        colour="#475569",
        subject="[Campus] {{ title }}",
        details=[
            Detail("service", "Service", brief=""),
            Detail("building", ("Building", "Bâtiment"), brief=""),
            Detail.moment("starts_at", ("From", "À partir de"), brief=("From", "Dès")),
            Detail.moment("ends_at", ("Until", "Jusqu’à"), brief=("Until", "Jusqu’à")),
        ],
    )
