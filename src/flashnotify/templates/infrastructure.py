"""Infrastructure: what does not work, where, and until when."""

from flashnotify.meta.templates import Templates
from flashnotify.notifiers import InfrastructureNotifier
from flashnotify.templates.composition import EN, FR, Detail, compose

_COLOUR = "#475569"
_STARTS = "{{ starts_at | moment }}"
_ENDS = "{{ ends_at | moment }}"


class InfrastructureTemplates(Templates, of=InfrastructureNotifier):
    """What to plan around."""

    en = compose(
        EN,
        label="Buildings and services",
        headline="Campus",
        marker="CAMPUS",
        colour=_COLOUR,
        subject="[Campus] {{ title }}",
        details=[
            Detail("service", "Service", brief="{{ service }}"),
            Detail("building", "Building", brief="{{ building }}"),
            Detail("starts_at", "From", _STARTS, "From {{ starts_at | moment('short') }}"),
            Detail("ends_at", "Until", _ENDS, "Until {{ ends_at | moment('short') }}"),
        ],
    )
    fr = compose(
        FR,
        label="Bâtiments et services",
        headline="Campus",
        marker="CAMPUS",
        colour=_COLOUR,
        subject="[Campus] {{ title }}",
        details=[
            Detail("service", "Service", brief="{{ service }}"),
            Detail("building", "Bâtiment", brief="{{ building }}"),
            Detail("starts_at", "À partir de", _STARTS, "Dès {{ starts_at | moment('short') }}"),
            Detail("ends_at", "Jusqu’à", _ENDS, "Jusqu’à {{ ends_at | moment('short') }}"),
        ],
    )
