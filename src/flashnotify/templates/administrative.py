"""Administration: by when, and where."""

from flashnotify.meta.templates import Templates
from flashnotify.notifiers import AdministrativeNotifier
from flashnotify.templates.composition import EN, FR, Detail, compose

_COLOUR = "#6d28d9"
_DEADLINE = "{{ deadline | moment }}"


class AdministrativeTemplates(Templates, of=AdministrativeNotifier):
    """The deadline first."""

    en = compose(
        EN,
        label="Administration",
        colour=_COLOUR,
        subject="[Administration] {{ title }}",
        details=[
            Detail("deadline", "Deadline", _DEADLINE, "By {{ deadline | moment('short') }}"),
            Detail("office", "Office", brief="{{ office }}"),
        ],
    )
    fr = compose(
        FR,
        label="Administration",
        colour=_COLOUR,
        subject="[Administration] {{ title }}",
        details=[
            Detail("deadline", "Date limite", _DEADLINE, "Avant {{ deadline | moment('short') }}"),
            Detail("office", "Bureau", brief="{{ office }}"),
        ],
    )
