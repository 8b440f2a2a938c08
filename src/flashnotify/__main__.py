"""The `flashnotify` command, also as `python -m flashnotify`."""

import signal
import sys
from types import FrameType


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


# Before the imports, which take half a second: the first process of a container has no default
# handlers (pid_namespaces(7)), and would not notice that it is to end. `serve` has its own later.
signal.signal(signal.SIGTERM, _end)

from flashnotify.cli import main  # noqa: E402  # as the comment above says

if __name__ == "__main__":
    main()
