"""Risks to people's health."""

from flashnotify.channels import ChatMixin, EmailMixin, PushNotificationMixin, SMSMixin
from flashnotify.kinds.wording import EN, FR, Detail, compose
from flashnotify.meta import Notifier, Phone, Priority, Templates, Text


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


class HealthTemplates(Templates, of=HealthNotifier):
    """Calm and practical: the advice, the place and the number to call."""

    en = compose(
        EN,
        label="Health alert",
        colour="#0f766e",
        subject="HEALTH: {{ title }}",
        lead=Detail("advice", "What you can do"),
        details=[
            Detail("location", "Where", brief="Where: {{ location }}"),
            Detail("helpline", "Questions", "{{ helpline | phone }}", "Questions: {{ helpline }}"),
        ],
    )
    fr = compose(
        FR,
        label="Alerte de santé",
        marker="ALERTE SANTÉ",
        colour="#0f766e",
        subject="SANTÉ\N{NO-BREAK SPACE}: {{ title }}",
        lead=Detail("advice", "Ce que vous pouvez faire"),
        details=[
            Detail("location", "Lieu", brief="Lieu\N{NO-BREAK SPACE}: {{ location }}"),
            Detail(
                "helpline",
                "Questions",
                "{{ helpline | phone }}",
                "Questions\N{NO-BREAK SPACE}: {{ helpline }}",
            ),
        ],
    )
