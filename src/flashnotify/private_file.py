"""Files that only their owner may read (mode 0600), complete and synced before they get a name."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def read_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the content of the file at `path`; create it with what `make` returns if it is absent.

    Processes that create it at the same time all return the content of the first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return path.read_bytes()
    content = make()
    with _draft(path) as draft:
        draft.write_bytes(content)
        _sync(draft)
        try:
            # Unlike a rename, fails if another process was first.
            path.hardlink_to(draft)
        except FileExistsError:
            return path.read_bytes()
        _sync(path.parent)
    return content


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield an empty draft that replaces the file at `path` when the block ends without an error.

    Raises:
        OSError: the draft cannot be created, synced or renamed; `path` is as it was.
    """
    with _draft(path) as draft:
        yield draft
        _sync(draft)
        draft.replace(path)
        _sync(path.parent)


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    file, name = tempfile.mkstemp(".partial", f".{path.name}.", path.parent)
    os.close(file)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
