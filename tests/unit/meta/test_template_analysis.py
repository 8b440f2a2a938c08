"""Find the fields without which rendering a template raises."""

import itertools
from collections.abc import Mapping
from functools import cache

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from jinja2 import Template, UndefinedError

from flashnotify.meta.jinja import environment
from flashnotify.meta.template_analysis import PRESENCE_TESTS, needed_fields

OPTIONAL = ("room", "teacher")
TEXT = environment("text")
# Each value that conditions tell apart. `course` is a required field.
VALUES = {"course": ("A", "B"), "room": ("A", "B"), "teacher": ("A",)}


def needed(source: str) -> frozenset[str]:
    return needed_fields(TEXT.parse(source), OPTIONAL)


@cache
def compiled(source: str) -> Template:
    return TEXT.from_string(source)


def renders(source: str, values: Mapping[str, str]) -> bool:
    try:
        compiled(source).render(values)
    except UndefinedError:
        return False
    return True


def assignments(fields: tuple[str, ...]) -> list[dict[str, str]]:
    return [
        dict(zip(fields, values, strict=True))
        for values in itertools.product(*(VALUES[field] for field in fields))
    ]


def raises_without(source: str) -> set[str]:
    """Return the fields whose absence makes the template raise for some values of the others."""
    found = set()
    for field in OPTIONAL:
        others = tuple(name for name in VALUES if name != field)
        if not all(renders(source, values) for values in assignments(others)):
            found.add(field)
    return found


@pytest.mark.parametrize(
    "source",
    [
        "{{ room | default('?') }}",
        "{{ room | d('?') | upper }}",
        "{{ room | default('?', true) }}",
        "{{ room | default(teacher | default('?')) }}",
        "{{ room if room is defined else 'x' }}",
        "{{ 'x' if room is undefined else room }}",
        "{{ 'in ' ~ room if room is defined }}",
        "{{ 'x' if course == 'A' else room | default('y') }}",
        "{% if room is not defined %}x{% else %}{{ room }}{% endif %}",
        "{% if room is undefined %}x{% elif room == 'A' %}{{ room }}{% endif %}",
        "{% if not room is undefined %}{{ room }}{% endif %}",
        "{% if not (room is defined and course == 'A') %}x{% else %}{{ room }}{% endif %}",
        "{% if room is not defined or room == 'A' %}x{% else %}{{ room }}{% endif %}",
        "{% if room is not defined or teacher is not defined %}x"
        "{% else %}{{ room }}{{ teacher }}{% endif %}",
        "{% if room is not defined and course == 'A' %}x{% endif %}",
        "{{ room is defined and room }}",
        "{{ room is defined and room or 'x' }}",
        "{{ room is not defined or room }}",
        "{% if room is string %}{{ room }}{% endif %}",
        "{% if room is none %}x{% endif %}",
        "{% set place = room | default('?') %}{{ place }}",
        "{% set room = room | default('?') %}{{ room }}",
        "{% set room = 'x' %}{{ room }}",
        "{% set place = 'in ' ~ room if room is defined %}{{ place }}",
        "{% set place = room %}{% if place is defined %}{{ place }}{% endif %}",
        "{% set place = room %}{% if room is defined %}{{ place }}{% endif %}",
        "{% set place = room %}",
        "{% set place %}{{ room | default('?') }}{% endset %}{{ place }}",
        "{% if room is not defined %}{% set room = '?' %}{% endif %}{{ room }}",
        "{% if room is defined %}{% set place = room %}{% else %}{% set place = '?' %}{% endif %}"
        "{{ place }}",
        "{% for room in ['A', 'B'] %}{{ room }}{% endfor %}",
        "{% for line in [course, room | default('?')] %}{{ line }}{% endfor %}",
        "{% for line in [course] if room is defined %}{{ room }}{% endfor %}",
        "{% for line in range(2) %}{{ loop.index }}{{ room | default('?') }}{% endfor %}",
        "{% for line in [room, teacher] | select('defined') %}{{ line }}{% endfor %}",
        "{{ [room, teacher] | select('defined') | join(', ') }}",
        "{% with place = room | default('?') %}{{ place }}{% endwith %}",
        "{% filter upper %}{{ room | default('?') }}{% endfilter %}",
        "{% macro line(value) %}{{ value }}{% endmacro %}"
        "{% if room is defined %}{{ line(room) }}{% endif %}",
    ],
)
def test_a_template_that_renders_without_a_field_does_not_need_it(source: str) -> None:
    assert raises_without(source) == set()
    assert needed(source) == set()


@pytest.mark.parametrize(
    "source",
    [
        "{{ room }}",
        "{{ room | upper | default('?') }}",
        "{{ room.name | default('?') }}",
        "{{ room.name is defined }}",
        "{{ room if teacher is defined else 'x' }}",
        "{{ room if room is not defined else 'x' }}",
        "{{ room or 'x' }}",
        "{% if room %}{{ room }}{% endif %}",
        "{% if course == 'A' %}x{% elif room %}y{% endif %}",
        "{% if room is defined or course == 'A' %}{{ room }}{% endif %}",
        "{% if course == 'A' or room is defined %}{{ room }}{% endif %}",
        "{% if room is defined and course == 'A' %}x{% else %}{{ room }}{% endif %}",
        "{% if room == 'A' and room is defined %}x{% endif %}",
        "{% if room is not none %}{{ room }}{% endif %}",
        "{% set place = room %}{{ place }}",
        "{% if course == 'A' %}{% set room = 'x' %}{% endif %}{{ room }}",
        "{% set place = room %}{% set room = 'x' %}{% if room is defined %}{{ place }}{% endif %}",
        "{% for room in ['A'] %}{{ room }}{% endfor %}{{ room }}",
        "{% for line in room %}x{% endfor %}",
        "{% for line in [course] if line == room %}x{% endfor %}",
        "{% for line in [] %}x{% else %}{{ room }}{% endfor %}",
        "{% with place = room %}{{ place }}{% endwith %}",
        "{{ ('x' if room is defined) + 'y' }}",
        "{% macro line() %}{{ room }}{% endmacro %}{{ line() }}",
        "{% macro line(value) %}{{ value }}{% endmacro %}{{ line(room) }}",
        "{% set place = 'x' %}{% macro line() %}{{ place }}{% endmacro %}"
        "{% set place = room %}{{ line() }}",
        "{% if room is defined %}{% block a %}{{ room }}{% endblock %}{% endif %}{{ self.a() }}",
        "{% set place = room %}{% block a %}{{ place }}{% endblock %}",
    ],
)
def test_a_template_that_raises_without_a_field_needs_it(source: str) -> None:
    assert raises_without(source) == {"room"}
    assert needed(source) == {"room"}


def test_a_variable_that_is_assigned_again_needs_its_last_field() -> None:
    source = "{% set place = room %}{% set place = teacher %}{{ place }}"
    assert raises_without(source) == {"teacher"}
    assert needed(source) == {"teacher"}


@pytest.mark.parametrize("name", sorted(PRESENCE_TESTS))
def test_a_presence_test_is_false_for_an_absent_field(name: str) -> None:
    assert TEXT.from_string(f"{{{{ room is {name} }}}}").render() == "False"


# --- Templates at random ---------------------------------------------------------------------

VARIABLES = st.sampled_from(["room", "teacher", "course", "place"])


def operations(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} | default({}))".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or", "==", "~"]), inner),
        st.builds("(not {})".format, inner),
        st.builds("({} is {})".format, inner, st.sampled_from(["undefined", *PRESENCE_TESTS])),
        st.builds("({} | upper)".format, inner),
        st.builds("([{}, {}] | select('defined') | join)".format, inner, inner),
    )


EXPRESSIONS = st.recursive(
    st.one_of(
        VARIABLES,
        st.just("'A'"),
        st.builds("({} is {}defined)".format, VARIABLES, st.sampled_from(["", "not "])),
    ),
    operations,
    max_leaves=5,
)


# Conditions that say more about what is defined than most expressions do.
CONDITIONS = EXPRESSIONS | st.recursive(
    st.builds("({} is {}defined)".format, VARIABLES, st.sampled_from(["", "not "]))
    | st.just("(course == 'A')"),
    lambda inner: (
        st.builds("(not {})".format, inner)
        | st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner)
    ),
    max_leaves=3,
)


def compositions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    # Only here may `if` lack its `else`, since its value without one depends on no field.
    shown = EXPRESSIONS | st.builds("{} if {}".format, EXPRESSIONS, EXPRESSIONS)
    return st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, CONDITIONS, inner, inner),
        st.builds(
            "{{% if {} %}}{}{{% elif {} %}}{}{{% endif %}}".format,
            CONDITIONS, inner, CONDITIONS, inner,
        ),
        st.builds(
            "{{% for {} in ['A', {}] if {} %}}{}{{% endfor %}}".format,
            VARIABLES, EXPRESSIONS, CONDITIONS, inner,
        ),
        st.builds(
            "{{% with {} = {} %}}{}{{% endwith %}}".format, VARIABLES, EXPRESSIONS, inner
        ),
        st.builds("{{% set {} %}}{}{{% endset %}}".format, VARIABLES, inner),
        st.builds(
            "{{% macro m({}) %}}{}{{% endmacro %}}{}{{{{ m({}) }}}}".format,
            VARIABLES, inner, inner, EXPRESSIONS,
        ),
        st.builds("{{{{ {} }}}}".format, shown),
    )  # fmt: skip


TEMPLATES = st.recursive(
    st.one_of(
        st.builds("{{{{ {} }}}}".format, EXPRESSIONS),
        st.builds("{{% set {} = {} %}}".format, VARIABLES, EXPRESSIONS),
    ),
    compositions,
    max_leaves=6,
)


@settings(max_examples=200)
@given(TEMPLATES)
@example("{% set teacher %}{{ (room | default(teacher)) }}{% endset %}")
def test_a_template_that_renders_with_all_fields_renders_with_those_it_needs(source: str) -> None:
    # `place` is the template's own variable, and has a value before anything reads it.
    source = "{% set place = 'A' %}" + source
    assume(all(renders(source, values) for values in assignments(tuple(VALUES))))
    must = needed(source)
    spare = [field for field in OPTIONAL if field not in must]
    for size in range(len(spare)):
        for others in itertools.combinations(spare, size):
            for values in assignments(("course", *must, *others)):
                assert renders(source, values), (source, values)
