"""An advisory lock that keeps a second process from a SQLite archive."""

import fcntl
import os
from pathlib import Path

from flashnotify.archive.sqlite.location import EXAMPLE, beside
from flashnotify.errors import ArchiveLocked, SettingsError


class ArchiveLock:
    """An exclusive `flock`, held until `release` or the process ends.

    It is on the archive itself, so that a hard link to it is the same archive, and on its companion
    `.lock`, which names the process. A symbolic link is followed first.
    """

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self._resolved = Path(os.path.realpath(archive))
        self.path = beside(self._resolved, "lock")
        self._files: list[int] = []

    def acquire(self) -> None:
        """Take the lock. Creates an empty archive if there is none.

        Raises:
            ArchiveLocked: another process holds it.
            SettingsError: a file cannot be created.
        """
        try:
            for path in (self.path, self._resolved):
                self._lock(path)
        except BaseException:
            self.release()
            raise
        os.ftruncate(self._files[0], 0)
        os.write(self._files[0], f"{os.getpid()}\n".encode())

    def _lock(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingsError(
                f"FLASHNOTIFY_DATABASE_URL: {path} cannot be written: {error.strerror}. {EXAMPLE}"
            ) from None
        self._files.append(file)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = f"process {_named_in(file)}" if path == self.path else "through another link"
            raise ArchiveLocked(
                f"{self._archive} is in use by another flashnotify ({holder}). "
                "Stop that one first, or give this one its own FLASHNOTIFY_DATABASE_URL."
            ) from None

    def in_place(self) -> bool:
        """Return whether the archive's name still leads to the file that is locked."""
        try:
            return os.path.samestat(self._archive.stat(), os.fstat(self._files[1]))
        except OSError:
            return False

    def holder(self) -> str | None:
        """Return the id of the process that holds the lock, if any. Creates no file."""
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            # A shared lock, released at once.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _named_in(file)
        finally:
            os.close(file)
        return None

    def release(self) -> None:
        """Release the lock. The file stays: without it, two processes could lock two files.

        SQLite's connections must be closed: to close the file would drop their locks.
        """
        while self._files:
            os.close(self._files.pop())


def _named_in(file: int) -> str:
    return os.read(file, 20).decode("ascii", "replace").strip() or "unknown"
