"""Names of people, as others give them: ids, or those of the campus directory."""

from collections.abc import Collection, Mapping
from uuid import UUID

from flashnotify.archive.people_ports import Directory

# People looked up at once.
_LOOKUP = 500


async def ids_of(directory: Directory, names: Collection[str]) -> Mapping[str, UUID]:
    """Return the ids of those people, active or not, whom names stand for.

    What is an external id and also somebody's id stands for whom the campus directory knows by it.
    """
    wanted = list(names)
    ids: dict[str, UUID] = {}
    for start in range(0, len(wanted), _LOOKUP):
        some = wanted[start : start + _LOOKUP]
        ids |= await directory.identified(some)
        own = {name: id for name in some if name not in ids and (id := _uuid(name))}
        known = await directory.people(list(own.values())) if own else {}
        ids |= {name: id for name, id in own.items() if id in known}
    return ids


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
