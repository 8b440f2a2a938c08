"""Studies: the course first, since people scan for it."""

from flashnotify.meta.templates import Templates
from flashnotify.notifiers import AcademicNotifier
from flashnotify.templates.composition import EN, FR, Detail, compose

_COLOUR = "#1d4ed8"
_WHEN = "{{ starts_at | moment }}"
_WHEN_BRIEFLY = "{{ starts_at | moment('short') }}"


class AcademicTemplates(Templates, of=AcademicNotifier):
    """When and where, without opening anything."""

    en = compose(
        EN,
        label="Studies",
        headline="{{ course }}",
        marker="COURSE {{ course }}",
        colour=_COLOUR,
        subject="[{{ course }}] {{ title }}",
        details=[
            Detail("course", "Course"),
            Detail("starts_at", "When", _WHEN, _WHEN_BRIEFLY),
            Detail("room", "Room", brief="Room {{ room }}"),
            Detail("teacher", "Teacher"),
        ],
    )
    fr = compose(
        FR,
        label="Études",
        headline="{{ course }}",
        marker="COURS {{ course }}",
        colour=_COLOUR,
        subject="[{{ course }}] {{ title }}",
        details=[
            Detail("course", "Cours"),
            Detail("starts_at", "Quand", _WHEN, _WHEN_BRIEFLY),
            Detail("room", "Salle", brief="Salle {{ room }}"),
            Detail("teacher", "Enseignant"),
        ],
    )
