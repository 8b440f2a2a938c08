"""Composes all parts of a message from one declaration, so that they always say the same.

Email has everything. SMS and push have what matters first: they are cut where their room ends. A
detail whose field is not there leaves neither a line nor a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flashnotify.meta.templates import Wording
from flashnotify.templates.layout import html_part


@dataclass(frozen=True, slots=True)
class Language:
    """What all messages of a language have alike. French has a no-break space before `:`."""

    colon: str
    footer: str


EN = Language(":", "Sent by the campus notification service.")
FR = Language("\N{NO-BREAK SPACE}:", "Message du service de notification du campus.")


@dataclass(frozen=True, slots=True)
class Detail:
    """A field that email shows under its label.

    `shows` is the Jinja source of the value, by default the field itself. `brief` is that of a line
    for SMS and push, which have none of details without it.
    """

    field: str
    label: str
    shows: str = ""
    brief: str = ""

    @property
    def value(self) -> str:
        """The Jinja source of the value."""
        return self.shows or "{{ " + self.field + " }}"

    @property
    def there(self) -> str:
        """The Jinja test for whether there is something to show."""
        return f"{self.field} is defined"

    def guarded(self, source: str) -> str:
        """Jinja source that makes lines only if there is something to show."""
        return f"{{% if {self.there} %}}\n{source}\n{{% endif %}}\n"


def compose(
    language: Language,
    *,
    label: str,
    colour: str,
    subject: str,
    details: Sequence[Detail],
    headline: str | None = None,
    marker: str | None = None,
    lead: Detail | None = None,
) -> Wording:
    """The wording of a kind in a language; all texts are Jinja sources.

    `label` says what kind it is, on a band of `colour` atop the email, before the title of a push
    (`headline`, if that says it better there) and, in capitals, of an SMS (`marker`). `lead` comes
    before all else: what to do.
    """
    leads = [lead] if lead is not None else []
    headline = headline or label
    marker = marker or label.upper()
    return Wording(
        subject=subject,
        text=_text(language, leads, details),
        html=html_part(
            label=label,
            colour=colour,
            footer=language.footer,
            lead=[(d.there, d.label, d.field) for d in leads],
            details=[(d.there, d.label, d.value) for d in details],
        ),
        sms=_sms(language, marker, leads, details),
        push_title=headline + language.colon + " {{ title }}",
        push=_brief(leads, "{{ %s | truncate(400, false, '…', 0) }}", details)
        + "{{ body | trim | truncate(400, false, '…', 0) }}",
    )


def _text(language: Language, leads: Sequence[Detail], details: Sequence[Detail]) -> str:
    """The text part of an email. Its lines are as long as its paragraphs: any reader wraps them."""
    source = "".join(
        lead.guarded(f"{lead.label}{language.colon}\n{{{{ {lead.field} | trim }}}}\n")
        for lead in leads
    )
    source += "{{ body | trim }}\n"
    source += f"{{% if {' or '.join(d.there for d in details)} %}}\n\n{{% endif %}}\n"
    source += "".join(d.guarded(f"{d.label}{language.colon} {d.value}") for d in details)
    # The line that ends the text proper: readers set apart, or leave out of answers, what follows.
    return f"{source}\n-- \n{language.footer}"


def _sms(
    language: Language, marker: str, leads: Sequence[Detail], details: Sequence[Detail]
) -> str:
    first = f"{marker}\n" if leads else f"{marker}{language.colon} {{{{ title }}}}\n"
    source = first + _brief(leads, "{{ %s }}", details) + ("{{ title }}\n" if leads else "")
    return source + "{{ body }}"


def _brief(leads: Sequence[Detail], form: str, details: Sequence[Detail]) -> str:
    lines = [lead.guarded(form % lead.field) for lead in leads]
    return "".join([*lines, *(d.guarded(d.brief) for d in details if d.brief)])
