"""Compose every part of a message from one declaration, so that all channels say the same.

An email shows everything. SMS and push put first what matters first, because they are cut where
their space ends. A detail whose field is absent leaves neither a line nor a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flashnotify.kinds.wording.layout import html_part
from flashnotify.meta import Wording


@dataclass(frozen=True, slots=True)
class Language:
    """What all messages in one language share. French puts a no-break space before a colon."""

    colon: str
    footer: str


EN = Language(":", "Sent by the campus notification service.")
FR = Language("\N{NO-BREAK SPACE}:", "Message du service de notification du campus.")


@dataclass(frozen=True, slots=True)
class Detail:
    """A field that an email shows under its label.

    `shows` is the Jinja source of its value, by default the field itself. `brief` is the source of
    its line in SMS and push; without it they leave the field out.
    """

    field: str
    label: str
    shows: str = ""
    brief: str = ""

    @classmethod
    def moment(cls, field: str, label: str, *, brief: str = "") -> Detail:
        """Return the detail of a `Moment`; `brief` is the word before it in SMS and push."""
        short = f"{brief} {{{{ {field} | moment('short') }}}}".lstrip()
        return cls(field, label, f"{{{{ {field} | moment }}}}", short)

    @property
    def value(self) -> str:
        """The Jinja source of the value."""
        return self.shows or "{{ " + self.field + " }}"

    @property
    def present(self) -> str:
        """The Jinja test for whether the field has a value."""
        return f"{self.field} is defined"

    def guarded(self, source: str) -> str:
        """Wrap Jinja source so that it makes lines only if the field has a value."""
        return f"{{% if {self.present} %}}\n{source}\n{{% endif %}}\n"


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
    """Return the wording of a kind in one language. All texts are Jinja sources.

    Args:
        language: What the language's messages share.
        label: The kind, shown on a band of `colour` at the top of an email.
        colour: The colour of that band, in CSS.
        subject: The subject of an email.
        details: The fields to show, in order.
        headline: The text before the title of a push, by default `label`.
        marker: The text before the title of an SMS, by default `label` in capitals.
        lead: The field that comes before everything else: what to do.
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
            lead=[(d.present, d.label, d.field) for d in leads],
            details=[(d.present, d.label, d.value) for d in details],
        ),
        sms=_sms(language, marker, leads, details),
        push_title=headline + language.colon + " {{ title }}",
        push=_brief(leads, "{{ %s | truncate(400, false, '…', 0) }}", details)
        + "{{ body | trim | truncate(400, false, '…', 0) }}",
    )


def _text(language: Language, leads: Sequence[Detail], details: Sequence[Detail]) -> str:
    """Return the text part of an email. Paragraphs are not wrapped: mail readers do that."""
    source = "".join(
        lead.guarded(f"{lead.label}{language.colon}\n{{{{ {lead.field} | trim }}}}\n")
        for lead in leads
    )
    source += "{{ body | trim }}\n"
    source += f"{{% if {' or '.join(d.present for d in details)} %}}\n\n{{% endif %}}\n"
    source += "".join(d.guarded(f"{d.label}{language.colon} {d.value}") for d in details)
    # The signature separator: mail readers set apart what follows, or leave it out of replies.
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
