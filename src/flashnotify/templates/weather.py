"""Weather: how bad, from when and until when."""

from flashnotify.meta.templates import Templates
from flashnotify.notifiers import WeatherNotifier
from flashnotify.templates.composition import EN, FR, Detail, compose

_COLOUR = "#b45309"
_FROM = "{{ effective_from | moment }}"
_UNTIL = "{{ effective_until | moment }}"
_SEVERITY = (
    "{{ {'minor': 'faible', 'moderate': 'modérée', 'severe': 'forte', "
    "'extreme': 'exceptionnelle'}[severity]%s }}"
)


class WeatherTemplates(Templates, of=WeatherNotifier):
    """The times at a glance."""

    en = compose(
        EN,
        label="Weather warning",
        marker="WEATHER",
        colour=_COLOUR,
        subject="WEATHER: {{ title }}",
        details=[
            Detail(
                "severity",
                "Severity",
                "{{ severity | capitalize }}",
                brief="Severity: {{ severity }}",
            ),
            Detail("effective_from", "From", _FROM, "From {{ effective_from | moment('short') }}"),
            Detail(
                "effective_until", "Until", _UNTIL, "Until {{ effective_until | moment('short') }}"
            ),
        ],
    )
    fr = compose(
        FR,
        label="Alerte météo",
        marker="MÉTÉO",
        colour=_COLOUR,
        subject="MÉTÉO\N{NO-BREAK SPACE}: {{ title }}",
        details=[
            Detail(
                "severity",
                "Gravité",
                _SEVERITY % " | capitalize",
                "Gravité\N{NO-BREAK SPACE}: " + _SEVERITY % "",
            ),
            Detail(
                "effective_from", "À partir de", _FROM, "Dès {{ effective_from | moment('short') }}"
            ),
            Detail(
                "effective_until",
                "Jusqu’à",
                _UNTIL,
                "Jusqu’à {{ effective_until | moment('short') }}",
            ),
        ],
    )
