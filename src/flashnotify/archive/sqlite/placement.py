"""Check where an archive is stored, and warn about places that lose it."""

import os
from collections.abc import Iterator
from pathlib import Path

# The kinds of file systems whose files are gone after a restart of the machine.
_IN_MEMORY = ("tmpfs", "ramfs")
_MOUNTS = Path("/proc/self/mountinfo")


def location_warnings(archive: Path, key: Path, *, mounts: Path = _MOUNTS) -> Iterator[str]:
    """Yield warnings about the location of an archive; `key` is the file of its secret key."""
    folder = next(parent for parent in archive.absolute().parents if parent.exists())
    if _file_system(folder, mounts) in _IN_MEMORY:
        yield f"{archive.absolute()} is kept in memory, and lost when the machine restarts"
    if key.exists() and not (archive.exists() and archive.stat().st_size):
        yield (
            f"{archive.absolute()} is new, though {key.name} beside it is not: if an archive was "
            "there before, stop and restore it"
        )


def _file_system(folder: Path, mounts: Path) -> str | None:
    """Return the kind of file system that holds a folder (proc(5), mountinfo), if known."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return None
    found = (line.partition(" - ") for line in lines if line.split()[2:3] == [number])
    return next((rest.split()[0] for _, _, rest in found), None)
