"""People by what a request calls them."""

from uuid import UUID

from flashnotify.archive.people_ports import Directory
from flashnotify.errors import FieldError, InvalidInput


async def find_id(directory: Directory, name: str, pointer: str) -> UUID:
    """Return the id of the person with an id or an external id.

    Raise `InvalidInput` at `pointer` if it is nobody's.
    """
    if (id := (await directory.identified([name])).get(name)) is not None:
        return id
    try:
        id = UUID(name)
    except ValueError:
        id = None
    if id is None or id not in await directory.people([id]):
        raise InvalidInput([FieldError(pointer, "unknown_user", "is nobody in the directory")])
    return id
