"""Watch the archive's file and the wall clock, on which the service depends."""

from collections.abc import Callable
from pathlib import Path

import structlog

from flashnotify.clock import Clock
from flashnotify.runtime.supervisor import Supervisor

log = structlog.get_logger(__name__)

# The part's name in `/readyz`.
PART = "archive file"
# Seconds between two checks.
_PAUSE = 10.0


class Watch:
    """Stops accepting while the archive's file is missing or replaced, and logs clock jumps.

    What was accepted is still sent from a file that was deleted, as long as the process lives.
    """

    def __init__(
        self, file: Path, in_place: Callable[[], bool], supervisor: Supervisor, clock: Clock
    ) -> None:
        self._file = file
        self._in_place = in_place
        self._supervisor = supervisor
        self._clock = clock
        self._doubted = False

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            self._check_clock()
            self.check_file()
            await self._clock.sleep(_PAUSE)

    def check_file(self) -> None:
        """Stop or resume accepting. Called after each commit, too: no 202 is for a deleted file."""
        found = self._in_place()
        if self._supervisor.suspend(PART, None if found else "deleted or replaced"):
            if found:
                log.warning("archive.is_back", file=str(self._file))
            else:
                remedy = "nothing is accepted: move it back, or stop serve, restore a backup"
                log.critical("archive.is_gone", file=str(self._file), remedy=remedy)

    def _check_clock(self) -> None:
        doubted = self._clock.in_doubt()
        if doubted and not self._doubted:
            meaning = "for an hour, nothing is purged, expires or is given up: check the clock"
            log.error("clock.jumped", meaning=meaning)
        elif self._doubted and not doubted:
            log.warning("clock.trusted", meaning="it was set back, or an hour is over")
        self._doubted = doubted
