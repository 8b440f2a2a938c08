"""An advisory lock that keeps a second process from a SQLite archive."""

import fcntl
import os
from pathlib import Path

from flashnotify.archive.sqlite.location import EXAMPLE
from flashnotify.errors import ArchiveLocked, SettingsError


class ArchiveLock:
    """An exclusive `flock` on `<archive>.lock`, held until `release` or the process ends."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self.path = archive.with_name(archive.name + ".lock")
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            ArchiveLocked: another process holds it.
            SettingsError: the file cannot be created.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingsError(
                f"FLASHNOTIFY_DATABASE_URL: {self.path} cannot be written: {error.strerror}. "
                f"{EXAMPLE}"
            ) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            raise ArchiveLocked(
                f"{self._archive} is in use by another flashnotify (process {holder}). "
                "Stop that one first, or give this one its own FLASHNOTIFY_DATABASE_URL."
            ) from None
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        self._file = file

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
            return os.read(file, 20).decode("ascii", "replace").strip() or "unknown"
        finally:
            os.close(file)
        return None

    def release(self) -> None:
        """Release the lock. The file stays: without it, two processes could lock two files."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
