"""Standard output, whatever it is connected to: a pipe that ends, a full disk, nothing at all."""

import io
import os
import sys
from pathlib import Path

from flashnotify.errors import FlashNotifyError


def is_unicode() -> bool:
    """Return whether standard output takes every character."""
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")


def prepare_output() -> None:
    """Make standard output take whatever commands print."""
    if sys.stdout is None:
        # It stays open until the process ends.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper) and not is_unicode():
        # What the terminal's locale does not have is shown as a question mark.
        sys.stdout.reconfigure(errors="replace")


def flush_output() -> None:
    """Write what is left to standard output.

    Raise `FlashNotifyError` if that fails, or `SystemExit` if the reader has ended.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would try again at exit, and fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise SystemExit(1) from None
        detail = f"cannot write to standard output: {error.strerror}"
        raise FlashNotifyError(detail) from None
