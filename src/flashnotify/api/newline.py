"""A newline after each JSON answer, for people who read it in a terminal."""

from collections.abc import Iterable

Fields = Iterable[tuple[bytes, bytes]]


def one_longer(headers: Fields) -> list[tuple[bytes, bytes]] | None:
    """Return the headers of a JSON answer with a length that has room for a newline.

    None for other answers. A 204 has a type, but neither a length nor a body.
    """
    is_json, length = False, None
    others: list[tuple[bytes, bytes]] = []
    for field in headers:
        name, value = field
        if name == b"content-length":
            length = int(value)
            continue
        if name == b"content-type":
            is_json = b"json" in value
        others.append(field)
    if not is_json or length is None:
        return None
    return [*others, (b"content-length", b"%d" % (length + 1))]
