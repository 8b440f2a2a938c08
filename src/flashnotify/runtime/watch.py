"""Watches what the service stands on: the archive's file, and the wall clock."""

from collections.abc import Callable
from pathlib import Path

import structlog

from flashnotify.clock import Clock
from flashnotify.runtime.supervisor import Supervisor

log = structlog.get_logger(__name__)

# The part's name in `/readyz`.
PART = "archive file"
# Seconds between two looks.
_PAUSE = 10.0


class Watch:
    """Stops accepting while the archive's file is not where it was; notices clock jumps.

    What was accepted is still sent from a file that was deleted, as long as the process lives.
    """

    def __init__(
        self, file: Path, in_place: Callable[[], bool], supervisor: Supervisor, clock: Clock
    ) -> None:
        self._file = file
        self._in_place = in_place
        self._supervisor = supervisor
        self._clock = clock

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            self._clock.in_doubt()
            found = self._in_place()
            if self._supervisor.suspend(PART, None if found else "deleted or replaced"):
                if found:
                    log.warning("archive.is_back", file=str(self._file))
                else:
                    remedy = "nothing is accepted: move it back, or stop serve, restore a backup"
                    log.critical("archive.is_gone", file=str(self._file), remedy=remedy)
            await self._clock.sleep(_PAUSE)
