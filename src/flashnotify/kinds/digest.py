"""What came since the last digest, in one message. Only the service itself sends it."""

from flashnotify.channels import EmailMixin, PushNotificationMixin, SMSMixin
from flashnotify.kinds.wording import compose
from flashnotify.meta import Notifier, Priority, Templates
from flashnotify.meta.registry import INTERNAL_NOTIFIERS, INTERNAL_TEMPLATES


class DigestNotifier(
    EmailMixin, PushNotificationMixin, SMSMixin, Notifier, registry=INTERNAL_NOTIFIERS
):
    """What came since the last digest, on the first of these channels that a person has."""

    priority = Priority(default="low")
    # Whoever wants none turns it off in their preferences.
    mandatory = True


class DigestTemplates(Templates, of=DigestNotifier, registry=INTERNAL_TEMPLATES):
    """A list: the body has a paragraph for each notification."""

    en, fr = compose(
        label=("Digest", "Résumé"),
        colour="#475569",
        subject=("Digest: {{ title }}", "Résumé: {{ title }}"),
        details=[],
    )
