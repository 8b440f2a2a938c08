"""The texts of a request in several languages, before anything looks at their content."""

from collections.abc import Iterator, Mapping
from typing import Any

from flashnotify.errors import FieldError, InvalidInput
from flashnotify.meta.localization import Locale

_MOST = 20
_LOCALE = Locale()


def texts_in(texts: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the texts of a request, each with the pointer to it. Others are refused elsewhere.

    Raises:
        InvalidInput: there are too many, or they are not by language.
    """
    if not isinstance(texts, dict):
        return
    if len(texts) > _MOST:
        detail = f"must have at most {_MOST} languages; has {len(texts)}"
        raise InvalidInput([FieldError("/texts", "too_many", detail)])
    if errors := list(_errors(texts)):
        raise InvalidInput(errors)
    for tag, text in texts.items():
        if isinstance(text, dict):
            yield f"/texts/{tag}", text


def _errors(texts: Mapping[str, Any]) -> Iterator[FieldError]:
    seen: dict[str, str] = {}
    for tag in texts:
        try:
            _LOCALE.validate(tag)
        except ValueError as error:
            yield FieldError.at(("texts", tag[:100]), getattr(error, "code", "invalid"), str(error))
            continue
        same = seen.setdefault(tag.replace("_", "-").lower(), tag)
        if same != tag:
            yield FieldError.at(("texts", tag), "conflict", f"is the same language as {same}")
