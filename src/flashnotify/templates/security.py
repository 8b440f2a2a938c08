"""Security: short, and what to do first."""

from flashnotify.meta.templates import Templates
from flashnotify.notifiers import SecurityNotifier
from flashnotify.templates.composition import EN, FR, Detail, compose

_COLOUR = "#b91c1c"


class SecurityTemplates(Templates, of=SecurityNotifier):
    """An alert that is understood at a glance."""

    en = compose(
        EN,
        label="Security alert",
        colour=_COLOUR,
        subject="SECURITY: {{ title }} ({{ location }})",
        lead=Detail("instructions", "What to do"),
        details=[Detail("location", "Where", brief="Where: {{ location }}")],
    )
    fr = compose(
        FR,
        label="Alerte de sécurité",
        marker="ALERTE SÉCURITÉ",
        colour=_COLOUR,
        subject="SÉCURITÉ\N{NO-BREAK SPACE}: {{ title }} ({{ location }})",
        lead=Detail("instructions", "Ce qu’il faut faire"),
        details=[Detail("location", "Lieu", brief="Lieu\N{NO-BREAK SPACE}: {{ location }}")],
    )
