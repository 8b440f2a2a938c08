"""Storms, snow and heat waves."""

from flashnotify.channels import ChatMixin, EmailMixin, InAppMixin, PushNotificationMixin, SMSMixin
from flashnotify.kinds.wording import Detail, compose
from flashnotify.meta import Choice, Moment, Notifier, Priority, Templates

_SEVERITY = (
    "{'minor': 'faible', 'moderate': 'modérée', 'severe': 'forte', "
    "'extreme': 'exceptionnelle'}[severity]"
)


class WeatherNotifier(EmailMixin, SMSMixin, PushNotificationMixin, ChatMixin, InAppMixin, Notifier):
    """Weather that changes what people should do: a storm, snow, a heat wave."""

    priority = Priority(default="high")
    example = ("Strong wind on Thursday evening", "Evening classes take place as planned.")
    # The terms of the Common Alerting Protocol (OASIS CAP 1.2, section 3.2.2, severity).
    severity = Choice(
        "minor",
        "moderate",
        "severe",
        "extreme",
        help="How bad it may get, in the terms of the Common Alerting Protocol.",
        example="severe",
    )
    effective_from = Moment(help="When it begins.", example="2026-12-03T18:00:00+01:00")
    effective_until = Moment(help="When it is over.", example="2026-12-04T06:00:00+01:00")


class WeatherTemplates(Templates, of=WeatherNotifier):
    """How bad it gets, and the times at a glance."""

    en, fr = compose(
        label=("Weather warning", "Alerte météo"),
        marker=("WEATHER", "MÉTÉO"),
        colour="#b45309",
        subject=("WEATHER: {{ title }}", "MÉTÉO: {{ title }}"),
        details=[
            Detail(
                "severity",
                ("Severity", "Gravité"),
                brief=("Severity:", "Gravité:"),
                value=("severity", _SEVERITY),
                filter="capitalize",
            ),
            Detail.moment("effective_from", ("From", "À partir de"), brief=("From", "Dès")),
            Detail.moment("effective_until", ("Until", "Jusqu’à"), brief=("Until", "Jusqu’à")),
        ],
    )
