"""What a form sends, and where it leads."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from flashnotify.api.bodies import media_type, read_document
from flashnotify.errors import MalformedDocument, UnsupportedMediaType

_URLENCODED = "application/x-www-form-urlencoded"
_MAX_BYTES = 16 * 1024
_MAX_FIELDS = 20
# A path of ours: two slashes would begin the name of a host, and browsers read \ as a slash.
_OWN_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@%?-][A-Za-z0-9._~!$&'()*+,;=:@%?/-]*)?")
_MAX_PATH = 2000


async def read_form(request: Request) -> Mapping[str, str]:
    """Return the fields of a form; of equal ones the last.

    Raises:
        UnsupportedMediaType: the body is no form.
        DocumentTooLarge: it is longer than any of ours.
        MalformedDocument: it has too many fields, or is not UTF-8.
    """
    if media_type(request) != _URLENCODED:
        raise UnsupportedMediaType(f"Send a form with `Content-Type: {_URLENCODED}`.")
    text = (await read_document(request, _MAX_BYTES)).decode("latin-1")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise MalformedDocument("The form cannot be read.") from None
    return dict(pairs)


def own_path(wanted: str | None, default: str) -> str:
    """Return `wanted` if it is a path of this service, not of any other, or else `default`."""
    is_own = wanted and len(wanted) <= _MAX_PATH and _OWN_PATH.fullmatch(wanted)
    return wanted if wanted and is_own else default
