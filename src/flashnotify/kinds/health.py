"""Risks to people's health."""

from flashnotify.channels import ChatMixin, EmailMixin, InAppMixin, PushNotificationMixin, SMSMixin
from flashnotify.kinds.wording import Detail, compose
from flashnotify.meta import Notifier, Phone, Priority, Templates, Text


class HealthNotifier(EmailMixin, SMSMixin, PushNotificationMixin, ChatMixin, InAppMixin, Notifier):
    """A risk to people's health, and how to protect oneself and others."""

    priority = Priority(default="critical")
    mandatory = True
    example = (
        "Showers closed for a routine check",
        "The water is tested. We will write again when the showers open.",
    )
    location = Text(help="Where the risk is.", example="Sports hall")
    advice = Text(
        multiline=True,
        max_length=2000,
        help="What people can do.",
        example="Do not use the showers until further notice.",
    )
    helpline = Phone(help="A number to call with questions.", example="+33144276000")


class HealthTemplates(Templates, of=HealthNotifier):
    """Calm and practical: the advice, the place and the number to call."""

    en, fr = compose(
        lead=Detail("advice", ("What you can do", "Ce que vous pouvez faire")),
        label=("Health alert", "Alerte de santé"),
        marker=("HEALTH ALERT", "ALERTE SANTÉ"),
        colour="#0f766e",
        subject=("HEALTH: {{ title }}", "SANTÉ: {{ title }}"),
        details=[
            Detail("location", ("Where", "Lieu"), brief=("Where:", "Lieu:")),
            Detail("helpline", "Questions", brief="Questions:", filter="phone"),
        ],
    )
