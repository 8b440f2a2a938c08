"""Pydantic's validation errors as field errors, in our own codes and wording."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, tzinfo
from itertools import islice
from typing import Any

from pydantic import BaseModel, ValidationError

from flashnotify.errors import FieldError, MissingOffset
from flashnotify.meta.suggestions import did_you_mean

# Mistakes that are listed of one document: each may take 50 µs, to find the name that was meant.
MAX_ERRORS = 100
# By pydantic's type of error, or its first word: our code, and a text over its context.
_TEXTS: Mapping[str, tuple[str, str]] = {
    "missing": ("missing", "is required"),
    "string_type": ("wrong_type", "must be a string"),
    "string_unicode": ("wrong_type", "must be valid Unicode"),
    "list_type": ("wrong_type", "must be a list"),
    "dict": ("wrong_type", "must be a JSON object"),
    "model": ("wrong_type", "must be a JSON object"),
    "int": ("wrong_type", "must be a whole number"),
    "int_parsing_size": ("out_of_range", "is out of range"),
    "float": ("wrong_type", "must be a number"),
    "finite_number": ("wrong_type", "must be a finite number"),
    "bool": ("wrong_type", "must be true or false"),
    "uuid": ("not_an_id", "must be a UUID"),
    "string_too_short": ("too_short", "must have at least {min_length} characters"),
    "string_too_long": ("too_long", "must have at most {max_length} characters"),
    "too_short": ("too_few", "must have at least {min_length} entries"),
    "too_long": ("too_many", "must have at most {max_length} entries"),
    "string_pattern_mismatch": ("wrong_format", "must match the pattern {pattern}"),
    "greater_than": ("out_of_range", "must be greater than {gt}"),
    "greater_than_equal": ("out_of_range", "must be at least {ge}"),
    "less_than": ("out_of_range", "must be less than {lt}"),
    "less_than_equal": ("out_of_range", "must be at most {le}"),
    "enum": ("unknown_value", "unknown value; expected one of {expected}"),
    "literal_error": ("unknown_value", "unknown value; expected one of {expected}"),
}


def field_errors(
    error: ValidationError,
    model: type[BaseModel],
    zone: tzinfo = UTC,
    max_errors: int = MAX_ERRORS,
) -> list[FieldError]:
    """Return the first mistakes in a document that `model` refused. `zone` is the campus's."""
    found = (
        FieldError.at((*item["loc"], *within), *explain(item, model, zone))
        for item in error.errors(include_url=False)
        for within in _missing(item, model)
    )
    return list(islice(found, max_errors))


def _missing(item: Mapping[str, Any], model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Yield the required fields of an object that is missing; for all others, the object itself."""
    fields = _fields(model, item["loc"]) if item["type"] == "missing" else {}
    yield from ((name,) for name, field in fields.items() if field.is_required())
    if not fields:
        yield ()


def explain(
    item: Mapping[str, Any], model: type[BaseModel] | None = None, zone: tzinfo = UTC
) -> tuple[str, str]:
    """Return the code and the text of one of pydantic's errors.

    With its `model`, the text also names the known fields or gives an example. A time without an
    offset is shown with that of `zone`.
    """
    context = item.get("ctx", {})
    if item["type"] == "value_error":
        refused = context["error"]
        if isinstance(refused, MissingOffset):
            refused = MissingOffset(refused.naive, zone)
        found = FieldError.of("", refused)
        return found.code, found.detail
    if item["type"] == "extra_forbidden":
        known = _fields(model, item["loc"][:-1])
        hint = did_you_mean(str(item["loc"][-1]), known)
        return "unknown_field", f"unknown field; expected one of {', '.join(known) or 'none'}{hint}"
    if context.get("min_length") == 1:
        return "empty", "must not be empty"
    texts = (_TEXTS.get(key) for key in (item["type"], item["type"].partition("_")[0]))
    code, text = next(filter(None, texts), ("invalid", "is not valid"))
    if "expected" in context:
        # Pydantic writes `'low', 'medium' or 'high'`.
        expected = context["expected"].replace("'", "").replace(" or ", ", ")
        hint = did_you_mean(item.get("input"), expected.split(", "))
        context = {"expected": f"{expected}{hint}"}
    text = text.format_map(context)
    if code in ("wrong_type", "wrong_format"):
        text += _example(model, item["loc"])
    return code, text


def _fields(model: type[BaseModel] | None, path: Iterable[int | str]) -> Mapping[str, Any]:
    """Return the fields of the model at a path inside `model`."""
    for step in path:
        found = _fields(model, ()).get(str(step))
        annotation = getattr(found, "annotation", None)
        model = annotation if isinstance(annotation, type) else None
    return getattr(model, "model_fields", {})


def _example(model: type[BaseModel] | None, path: tuple[int | str, ...]) -> str:
    field = _fields(model, path[:-1]).get(str(path[-1])) if path else None
    examples = getattr(field, "examples", None)
    return f", for example {json.dumps(examples[0])}" if examples else ""
