"""Compose every part of a message from one declaration, so that all channels say the same.

An email shows everything. SMS and push put first what matters first, because they are cut where
their space ends. A detail whose field is absent leaves neither a line nor a gap.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

from flashnotify.kinds.wording.layout import Line, html_part, when_any
from flashnotify.meta import Wording

# A text in English and in French, or one that serves for both.
Texts: TypeAlias = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Language:
    """What all messages in one language share."""

    index: int
    colon: str
    footer: str

    def of(self, texts: Texts) -> str:
        """Return the text in this language. French puts a no-break space before a colon."""
        text = texts if isinstance(texts, str) else texts[self.index]
        return re.sub(r"(?<=\w):", self.colon, text)


_LANGUAGES = (
    Language(0, ":", "Sent by the campus notification service."),
    Language(1, "\N{NO-BREAK SPACE}:", "Message du service de notification du campus."),
)


@dataclass(frozen=True, slots=True)
class Detail:
    """A field that an email shows under its label.

    `value` is the Jinja expression of its value, by default the field itself; emails apply `filter`
    to it, SMS and push `brief_filter`. `brief` is the text before the value in SMS and push, which
    may be empty; without it they leave the field out.
    """

    field: str
    label: Texts
    brief: Texts | None = None
    value: Texts = ""
    filter: str = ""
    brief_filter: str = ""

    @classmethod
    def moment(cls, field: str, label: Texts, brief: Texts = "") -> Self:
        """Return the detail of a `Moment`."""
        return cls(field, label, brief, filter="moment", brief_filter="moment('short')")

    def line(self, language: Language) -> Line:
        """Return the detail in one language."""
        value = language.of(self.value or self.field)
        brief = ""
        if self.brief is not None:
            brief = f"{language.of(self.brief)} {_source(value, self.brief_filter)}".lstrip()
        return Line(self.field, language.of(self.label), _source(value, self.filter), brief)


def _source(value: str, filtered: str) -> str:
    return f"{{{{ {value} | {filtered} }}}}" if filtered else f"{{{{ {value} }}}}"


def compose(
    *,
    label: Texts,
    colour: str,
    subject: Texts,
    details: Sequence[Detail],
    headline: Texts = "",
    marker: Texts = "",
    lead: Detail | None = None,
) -> Iterator[Wording]:
    """Yield the wording of a kind in English, then in French. All texts are Jinja sources.

    An email has `label` on a band of the CSS `colour`, the field `lead`, which says what to do, and
    `details`, in order. A push begins with `headline`, by default `label`; an SMS with `marker`, by
    default `headline` in capitals. An inbox shows the subject, and the text without the signature.
    """
    for language in _LANGUAGES:
        name = language.of(label)
        heading = language.of(headline) or name
        leads = [lead.line(language)] if lead is not None else []
        lines = [detail.line(language) for detail in details]
        yield Wording(
            subject=language.of(subject),
            text=_text(language, leads, lines),
            html=html_part(name, colour, language.footer, leads, lines),
            sms=_sms(language, language.of(marker) or heading.upper(), leads, lines),
            push_title=heading + language.colon + " {{ title }}",
            push=_brief(leads, "{{ %s | truncate(400, false, '…', 0) }}", lines)
            + "{{ body | trim | truncate(400, false, '…', 0) }}",
            in_app_title=language.of(subject),
            in_app=_plain(language, leads, lines),
        )


def _text(language: Language, leads: Sequence[Line], lines: Sequence[Line]) -> str:
    """Return the text part of an email. Paragraphs are not wrapped: mail readers do that."""
    source = _plain(language, leads, lines)
    source += "{% if acknowledgement is defined %}\n\n{{ acknowledgement }}\n{% endif %}\n"
    # The signature separator: mail readers set apart what follows, or leave it out of replies.
    return f"{source}\n-- \n{language.footer}"


def _plain(language: Language, leads: Sequence[Line], lines: Sequence[Line]) -> str:
    """Return all that a notification says, as plain text."""
    source = "".join(
        lead.guarded(f"{lead.label}{language.colon}\n{{{{ {lead.field} | trim }}}}\n")
        for lead in leads
    )
    source += "{{ body | trim }}\n" + when_any(lines, "")
    return source + "".join(
        line.guarded(f"{line.label}{language.colon} {line.value}") for line in lines
    )


def _sms(language: Language, marker: str, leads: Sequence[Line], lines: Sequence[Line]) -> str:
    if not leads:
        return f"{marker}{language.colon} {{{{ title }}}}\n{_brief((), '', lines)}{{{{ body }}}}"
    return f"{marker}\n{_brief(leads, '{{ %s }}', lines)}{{{{ title }}}}\n{{{{ body }}}}"


def _brief(leads: Sequence[Line], form: str, lines: Sequence[Line]) -> str:
    shown = [lead.guarded(form % lead.field) for lead in leads]
    return "".join([*shown, *(line.guarded(line.brief) for line in lines if line.brief)])
