"""Dangers on the campus."""

from flashnotify.channels import ChatMixin, EmailMixin, InAppMixin, PushNotificationMixin, SMSMixin
from flashnotify.kinds.wording import Detail, compose
from flashnotify.meta import Notifier, Priority, Templates, Text


class SecurityNotifier(
    EmailMixin, SMSMixin, PushNotificationMixin, ChatMixin, InAppMixin, Notifier
):
    """A danger to people on the campus, and what they must do."""

    priority = Priority(default="critical")
    mandatory = True
    example = (
        "Fire drill",
        "This is only a drill: practise the way out, then come back in.",
    )
    location = Text(required=True, help="Where the danger is.", example="Building B, 2nd floor")
    instructions = Text(
        required=True,
        multiline=True,
        max_length=2000,
        help="What people must do now.",
        example="Leave the building by the nearest exit.",
    )


class SecurityTemplates(Templates, of=SecurityNotifier):
    """Short, and the instructions first."""

    en, fr = compose(
        label=("Security alert", "Alerte de sécurité"),
        lead=Detail("instructions", ("What to do", "Ce qu’il faut faire")),
        marker=("SECURITY ALERT", "ALERTE SÉCURITÉ"),
        colour="#b91c1c",
        subject=(
            "SECURITY: {{ title }} ({{ location }})",
            "SÉCURITÉ: {{ title }} ({{ location }})",
        ),
        details=[Detail("location", ("Where", "Lieu"), brief=("Where:", "Lieu:"))],
    )
