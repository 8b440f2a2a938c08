"""Health: what one can do, and whom to call."""

from flashnotify.meta.templates import Templates
from flashnotify.notifiers import HealthNotifier
from flashnotify.templates.composition import EN, FR, Detail, compose

_COLOUR = "#0f766e"
_HELPLINE = "{{ helpline | phone }}"


class HealthTemplates(Templates, of=HealthNotifier):
    """Calm and practical."""

    en = compose(
        EN,
        label="Health alert",
        colour=_COLOUR,
        subject="HEALTH: {{ title }}",
        lead=Detail("advice", "What you can do"),
        details=[
            Detail("location", "Where", brief="Where: {{ location }}"),
            Detail("helpline", "Questions", _HELPLINE, brief="Questions: {{ helpline }}"),
        ],
    )
    fr = compose(
        FR,
        label="Alerte de santé",
        marker="ALERTE SANTÉ",
        colour=_COLOUR,
        subject="SANTÉ\N{NO-BREAK SPACE}: {{ title }}",
        lead=Detail("advice", "Ce que vous pouvez faire"),
        details=[
            Detail("location", "Lieu", brief="Lieu\N{NO-BREAK SPACE}: {{ location }}"),
            Detail(
                "helpline",
                "Questions",
                _HELPLINE,
                brief="Questions\N{NO-BREAK SPACE}: {{ helpline }}",
            ),
        ],
    )
