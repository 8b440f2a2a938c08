"""`TemplateMeta`: the message templates of a kind, parsed and checked when they are declared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from jinja2 import Environment, StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables

from flashnotify.errors import DeclarationError
from flashnotify.meta.filters import moment, phone, prose
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
        elif _defined(node) is not None:
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
    environment.filters |= {"moment": moment, "phone": phone, "prose": prose}
    return environment


_TEXT = _make_environment(autoescape=False)
_HTML = _make_environment(autoescape=True)
