"""Whether the placeholders of a personalised request can be filled."""

from collections.abc import Iterator

from flashnotify.errors import FieldError, InvalidInput
from flashnotify.intake.audience import Recipients
from flashnotify.meta.faults import MAX_ERRORS
from flashnotify.meta.requests import NotificationRequest
from flashnotify.people.placeholders import placeholders_in


def check_placeholders(
    request: NotificationRequest, recipients: Recipients, max_errors: int = MAX_ERRORS
) -> None:
    """Refuse placeholders that nobody can fill, and for addresses those without a default.

    Raises:
        InvalidInput: there are such; each error has the pointer to its text.
    """
    errors: list[FieldError] = []
    for pointer, text in _texts(request):
        try:
            found = placeholders_in(text)
        except ValueError as error:
            errors.append(FieldError.of(pointer, error))
            continue
        bare = [each for each in found if each.default is None]
        if bare and recipients.addresses:
            detail = (
                f"{bare[0]} has no default, and `to` has addresses, which stand for nobody in the "
                f"directory; write (({bare[0].name}|…)), or address people as user: or group:"
            )
            errors.append(FieldError(pointer, "no_default", detail))
    if errors:
        raise InvalidInput(errors[:max_errors])


def _texts(request: NotificationRequest) -> Iterator[tuple[str, str]]:
    yield "/title", request.title
    yield "/body", request.body
    for tag, text in (request.texts or {}).items():
        yield f"/texts/{tag}/title", text.title
        yield f"/texts/{tag}/body", text.body
