"""The wording of each kind, in each language, on each channel.

`letter` composes the text and the HTML part of an email from the same pieces, so that both always
say the same. A detail whose field is not there leaves no line.
"""

from __future__ import annotations

from flashnotify.meta.templates import Templates, Wording
from flashnotify.notifiers import AcademicNotifier, SecurityNotifier

_HTML = """\
<!doctype html>
<html lang="{{{{ locale }}}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{{{ title }}}}</title>
</head>
<body style="margin:0;padding:16px;background:#f3f4f6;color:#111827;\
font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif">
<div style="max-width:600px;margin:0 auto;background:#ffffff;border-radius:8px;\
border-top:6px solid {colour};padding:24px">
<p style="margin:0 0 8px;font-size:13px;color:#4b5563">{label}</p>
<h1 style="margin:0 0 16px;font-size:22px;line-height:1.3;color:#111827">{{{{ title }}}}</h1>
<p style="margin:0 0 16px;white-space:pre-line;color:#111827">{{{{ body }}}}</p>
{details}<p style="margin:24px 0 0;padding-top:16px;border-top:1px solid #e5e7eb;font-size:13px;\
color:#4b5563">{footer}</p>
</div>
</body>
</html>
"""

_HTML_DETAIL = (
    '<p style="margin:0 0 8px;color:#111827"><strong>{label}</strong><br>'
    '<span style="white-space:pre-line">{value}</span></p>\n'
)


def letter(
    *, subject: str, label: str, colour: str, footer: str, details: dict[str, str]
) -> Wording:
    """An email. `details` are lines by the field they show: its label, and after `|` its filter."""
    text = ["{{ title }}", "", "{{ body }}", ""]
    html = []
    for field, form in details.items():
        name, _, filters = form.partition("|")
        value = "{{ " + " | ".join([field, *filters.split()]) + " }}"
        guard = "{% if " + field + " is defined %}\n"
        text.append(f"{guard}{name}: {value}\n{{% endif %}}")
        html.append(f"{guard}{_HTML_DETAIL.format(label=name, value=value)}{{% endif %}}\n")
    text += ["", "-- ", footer]
    return Wording(
        subject=subject,
        text="\n".join(text),
        html=_HTML.format(colour=colour, label=label, details="".join(html), footer=footer),
    )


class SecurityTemplates(Templates, of=SecurityNotifier):
    """Short, and what to do first."""

    en = letter(
        subject="SECURITY: {{ title }} ({{ location }})",
        label="Security alert",
        colour="#b91c1c",
        details={"instructions": "What to do", "location": "Where"},
        footer="You receive this because you are on the campus or belong to it.",
    )
    fr = letter(
        subject="SÉCURITÉ : {{ title }} ({{ location }})",
        label="Alerte de sécurité",
        colour="#b91c1c",
        details={"instructions": "Ce qu'il faut faire", "location": "Où"},
        footer="Vous recevez ce message parce que vous êtes sur le campus ou en faites partie.",
    )


class AcademicTemplates(Templates, of=AcademicNotifier):
    """The course first: people scan for it."""

    en = letter(
        subject="[{{ course }}] {{ title }}",
        label="Studies",
        colour="#1d4ed8",
        details={
            "course": "Course",
            "starts_at": "When|moment",
            "room": "Room",
            "teacher": "Teacher",
        },
        footer="You receive this because it is about a course of yours.",
    )
    fr = letter(
        subject="[{{ course }}] {{ title }}",
        label="Études",
        colour="#1d4ed8",
        details={
            "course": "Cours",
            "starts_at": "Quand|moment",
            "room": "Salle",
            "teacher": "Enseignant",
        },
        footer="Vous recevez ce message parce qu'il concerne l'un de vos cours.",
    )
