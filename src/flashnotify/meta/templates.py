"""`TemplateMeta`: the message templates of a kind, parsed and checked when they are declared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

import phonenumbers
from babel.dates import format_datetime
from jinja2 import Environment, StrictUndefined, Template, TemplateSyntaxError, nodes, pass_context
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context
from markupsafe import Markup, escape

from flashnotify.errors import DeclarationError
from flashnotify.meta.metaclasses import Notifier
from flashnotify.meta.registry import TEMPLATES, Registry
from flashnotify.meta.specs import TemplatesSpec

# What every template may use, whatever the kind's fields are.
COMMON = frozenset({"title", "body", "locale", "priority"})


class Wording:
    """The templates of one locale: Jinja sources by part (`subject`, `text`, `html`, …)."""

    def __init__(self, **sources: str) -> None:
        self.sources = sources


class TemplateMeta(type):
    """Compiles `class AcademicTemplates(Templates, of=AcademicNotifier)` into a `TemplatesSpec`.

    Each attribute that is a `Wording` is a locale (`fr`, `pt_BR`); the first one is the fallback.
    """

    def __new__(  # noqa: D102  # the class docstring says it
        metacls,
        name: str,
        bases: tuple[type[Any], ...],
        namespace: dict[str, Any],
        *,
        of: type[Notifier] | None = None,
        registry: Registry[TemplatesSpec] = TEMPLATES,
    ) -> TemplateMeta:
        cls = super().__new__(metacls, name, bases, namespace)
        if of is not None:
            spec = _compile(name, of, namespace)
            registry.add(spec.kind, spec, cls)
            cls.__templates__ = spec
        return cls

    __templates__: TemplatesSpec


class Templates(metaclass=TemplateMeta):
    """Base of the template sets."""

    __templates__: ClassVar[TemplatesSpec]


def _compile(name: str, of: type[Notifier], namespace: dict[str, Any]) -> TemplatesSpec:
    notifier = of.__notifier__
    parts = {part for channel in notifier.channels.values() for part in channel.parts}
    known = COMMON | set(notifier.fields)
    optional = {name for name, field in notifier.fields.items() if not field.required}
    locales: dict[str, dict[str, Template]] = {}
    needed: set[str] = set()
    for attribute, wording in namespace.items():
        if not isinstance(wording, Wording):
            continue
        missing = parts - set(wording.sources)
        if missing:
            raise DeclarationError(
                f"{name}.{attribute}: {of.__name__} also needs {', '.join(sorted(missing))}."
            )
        templates = {}
        for part, source in wording.sources.items():
            place = f"{name}.{attribute} {part}"
            tree = _parse(place, part, source)
            if unknown := sorted(find_undeclared_variables(tree) - known):
                raise DeclarationError(
                    f"{place}: uses {unknown[0]!r}, which {of.__name__} does not declare; "
                    f"it may use {', '.join(sorted(known))}."
                )
            needed |= optional & set(_uses(tree.body, frozenset()))
            templates[part] = _environment(part).from_string(source)
        locales[attribute.replace("_", "-")] = templates
    if not locales:
        raise DeclarationError(f"{name}: has no locale; write `en = Wording(subject=…, …)`.")
    return TemplatesSpec(notifier.kind, locales, frozenset(needed))


def _parse(place: str, part: str, source: str) -> nodes.Template:
    try:
        return _environment(part).parse(source)
    except TemplateSyntaxError as error:
        raise DeclarationError(f"{place}, line {error.lineno}: {error.message}") from None


def _uses(body: list[nodes.Node], safe: frozenset[str]) -> Iterator[str]:
    """The variables that `body` uses without asking by `… is defined` first."""
    for node in body:
        if isinstance(node, nodes.If):
            yield from _uses([node.test], safe)
            yield from _uses(node.body, safe | frozenset(_asked(node.test)))
            yield from _uses([*node.elif_, *node.else_], safe)
        elif isinstance(node, nodes.And):
            yield from _uses([node.left], safe)
            yield from _uses([node.right], safe | frozenset(_asked(node.left)))
        elif isinstance(node, nodes.Test) and list(_asked(node)):
            # To ask whether it is there is no use of it.
            continue
        elif isinstance(node, nodes.Name) and node.name not in safe:
            yield node.name
        else:
            yield from _uses(list(node.iter_child_nodes()), safe)


def _asked(test: nodes.Node) -> Iterator[str]:
    """The variables that are there whenever `test` is true."""
    if isinstance(test, nodes.And):
        yield from _asked(test.left)
        yield from _asked(test.right)
    elif (name := _defined(test)) is not None:
        yield name


def _defined(node: nodes.Node) -> str | None:
    """The variable that `node` asks for, if it is a `… is defined`."""
    match node:
        case nodes.Test(name="defined", node=nodes.Name(name=variable)):
            return str(variable)
        case _:
            return None


@pass_context
def _moment(context: Context, value: datetime, style: str = "full") -> str:
    """A moment as people of the template's locale write it, in its own offset.

    `style` is "full", or "short" for SMS and push.
    """
    locale = str(context["locale"]).replace("-", "_")
    form = _FORMATS[style].get(locale.partition("_")[0], _FORMATS[style][""])
    return format_datetime(value, form, locale=locale)


# "août" is not in GSM-7: the short form in French has numbers.
_FORMATS = {
    "full": {
        "fr": "EEEE d MMMM y 'à'\N{NO-BREAK SPACE}HH'h'mm",
        "en": "EEEE d MMMM y 'at'\N{NO-BREAK SPACE}HH:mm",
        "": "EEEE d MMMM y, HH:mm",
    },
    "short": {
        "fr": "EEE dd/MM 'à'\N{NO-BREAK SPACE}HH'h'mm",
        "en": "EEE d MMM 'at'\N{NO-BREAK SPACE}HH:mm",
        "": "EEE d MMM, HH:mm",
    },
}


def _prose(value: str) -> Markup:
    """A person's text as HTML: escaped, its lines kept, its web addresses made links."""
    text = value.replace("\r\n", "\n").strip()
    pieces: list[str] = []
    end = 0
    for link in _LINK.finditer(text):
        address = escape(link[0])
        pieces += (escape(text[end : link.start()]), f'<a href="{address}">{address}</a>')
        end = link.end()
    pieces.append(escape(text[end:]))
    return Markup("".join(pieces).replace("\n", "<br>\n"))  # noqa: S704  # each piece is escaped


# A web address ends before the punctuation of its sentence, and before a `)` that it did not open.
_LINK = re.compile(
    r"""https?://[^\s<>"«»()]+(?:\([^\s<>"«»()]*\)[^\s<>"«»()]*)*(?<![.,;:!?'’])""", re.IGNORECASE
)


def _phone(value: str) -> str:
    """An E.164 number with the spaces that people of its country write it with."""
    number = phonenumbers.parse(value)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _environment(part: str) -> Environment:
    return _HTML if part == "html" else _TEXT


def _make_environment(*, autoescape: bool) -> Environment:
    environment = Environment(
        autoescape=autoescape,  # noqa: S701  # off only for the parts that are plain text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"moment": _moment, "phone": _phone, "prose": _prose}
    return environment


_TEXT = _make_environment(autoescape=False)
_HTML = _make_environment(autoescape=True)
