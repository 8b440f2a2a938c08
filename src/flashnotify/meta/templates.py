"""`TemplateMeta`: a kind's message templates, parsed and checked when they are declared."""

from collections.abc import Collection, Mapping
from io import StringIO
from typing import Any, ClassVar

from jinja2 import Environment, Template, TemplateSyntaxError
from jinja2.compiler import CodeGenerator
from jinja2.meta import TrackingCodeGenerator

from flashnotify.errors import DeclarationError
from flashnotify.meta.jinja import environment
from flashnotify.meta.metaclasses import Notifier
from flashnotify.meta.registry import TEMPLATES, DeclarationMeta, Registry
from flashnotify.meta.specs import NotifierSpec, TemplatesSpec
from flashnotify.meta.template_analysis import needed_fields
from flashnotify.meta.template_cache import TemplateCache, Translated


class Wording:
    """The templates of one locale: Jinja sources by part (`subject`, `text`, `html`, …)."""

    def __init__(self, **sources: str) -> None:
        self.sources = sources


class TemplateMeta(DeclarationMeta):
    """Compiles `class AcademicTemplates(Templates, of=AcademicNotifier)` into a `TemplatesSpec`.

    Each `Wording` attribute is a locale (`fr`, `pt_BR`); the first one is the fallback.
    """

    def _declare(
        cls, *, of: type[Notifier] | None = None, registry: Registry[TemplatesSpec] = TEMPLATES
    ) -> None:
        if of is not None:
            cache = TemplateCache(cls.__module__, cls.__qualname__)
            cls.__templates__ = _compile(cls.__name__, of.__notifier__, vars(cls), cache)
            cache.save()
            registry.add(cls.__templates__.kind, cls.__templates__, cls)

    __templates__: TemplatesSpec


class Templates(metaclass=TemplateMeta):
    """Base class of the template sets."""

    __templates__: ClassVar[TemplatesSpec]


def _compile(
    name: str, kind: NotifierSpec, namespace: Mapping[str, Any], cache: TemplateCache
) -> TemplatesSpec:
    parts = {part for channel in kind.channels.values() for part in channel.parts}
    optional = {field for field, declared in kind.fields.items() if not declared.required}
    locales: dict[str, dict[str, Template]] = {}
    needed: set[str] = set()
    for attribute, wording in namespace.items():
        if not isinstance(wording, Wording):
            continue
        if missing := sorted(parts - set(wording.sources)):
            raise DeclarationError(
                f"{name}.{attribute}: {kind.notifier.__name__} also needs {', '.join(missing)}."
            )
        locales[attribute.replace("_", "-")] = templates = {}
        for part, source in wording.sources.items():
            place = f"{name}.{attribute} {part}"
            templates[part], absent = _compile_part(place, kind, part, source, optional, cache)
            needed |= absent
    if not locales:
        raise DeclarationError(f"{name}: has no locale; write `en = Wording(subject=…, …)`.")
    return TemplatesSpec(kind.kind, locales, frozenset(needed))


class _Generator(TrackingCodeGenerator):
    """Generates the code of a template, and tracks the variables that it does not assign."""

    write = CodeGenerator.write


def _compile_part(
    place: str,
    kind: NotifierSpec,
    part: str,
    source: str,
    optional: Collection[str],
    cache: TemplateCache,
) -> tuple[Template, frozenset[str]]:
    """Return the template, and the `optional` fields that it needs."""
    jinja = environment(part)
    key = ("html" if jinja.autoescape else "", source, tuple(sorted(optional)))
    try:
        code, variables, needed = cache.get(key, lambda: _translate(jinja, source, optional))
    except TemplateSyntaxError as error:
        raise DeclarationError(f"{place}, line {error.lineno}: {error.message}") from None
    known = {"title", "body", "locale", "priority", "acknowledgement"} | kind.fields.keys()
    if unknown := variables - known:
        raise DeclarationError(
            f"{place}: uses {min(unknown)!r}, which {kind.notifier.__name__} does not declare; "
            f"expected one of {', '.join(sorted(known))}."
        )
    return Template.from_code(jinja, code, jinja.globals), needed


def _translate(jinja: Environment, source: str, optional: Collection[str]) -> Translated:
    """Translate a template to Python. Raise `TemplateSyntaxError` if it is none."""
    tree = jinja.parse(source)
    generator = _Generator(jinja)
    generator.visit(tree)
    assert isinstance(generator.stream, StringIO)
    code = compile(generator.stream.getvalue(), "<template>", "exec")
    variables = frozenset(generator.undeclared_identifiers)
    return code, variables, needed_fields(tree, optional)
