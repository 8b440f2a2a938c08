"""The lanes in which writes wait for the writer, so that urgent ones never wait for bulk."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from flashnotify.archive.sql.changes import Change
from flashnotify.domain import Priority

# Rows that each lane may add to a commit: few enough for an urgent write to wait some 10 ms for it.
_SHARE = 250
# Rows of a notification to one person, or to some.
_FEW = 20


class WriteLane(IntEnum):
    """The urgency of a write: who waits for it. Order is kept within a lane only.

    All writes about the deliveries of one notification therefore use the lane of its priority.
    """

    answer = 0  # a caller
    urgent = 1  # something urgent
    long_answer = 2  # a caller, for many rows
    bulk = 3

    @classmethod
    def of_accept(cls, priority: Priority, rows: int) -> Self:
        """Return the lane for accepting a notification in `rows` rows: many never delay few."""
        if rows <= _FEW:
            return cls.answer
        return cls.urgent if priority.urgent else cls.long_answer

    @classmethod
    def of(cls, priority: Priority) -> Self:
        """Return the lane for writes about an accepted notification and its deliveries."""
        return cls.urgent if priority.urgent else cls.bulk


@dataclass(slots=True)
class Write:
    """Changes that are committed together, and the future that is done once they are on disk."""

    changes: Sequence[Change]
    done: asyncio.Future[None]
    barrier: bool

    def settle(self, error: Exception | None = None) -> None:
        """Tell the caller how it ended, unless it was told before."""
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
            # Mark it as seen: the caller may be gone.
            self.done.exception()


class WaitingWrites:
    """The writes that wait, by lane.

    `rows` is the number of their rows without those of long answers, which `long_answers` counts.
    """

    def __init__(self) -> None:
        self.rows = self.long_answers = 0
        self._lanes: dict[WriteLane, deque[Write]] = {lane: deque() for lane in WriteLane}

    def put(self, write: Write, lane: WriteLane) -> None:
        """Add a write at the end of its lane."""
        self._lanes[lane].append(write)
        self._count(lane, len(write.changes))

    def take(self) -> list[Write]:
        """Take a share of each lane, the most urgent first; none waits for the whole of another."""
        taken: list[Write] = []
        for lane, waiting in self._lanes.items():
            rows = 0
            while waiting and (not rows or rows + len(waiting[0].changes) <= _SHARE):
                rows += len(waiting[0].changes)
                taken.append(waiting.popleft())
            self._count(lane, -rows)
        return taken

    def _count(self, lane: WriteLane, rows: int) -> None:
        if lane is WriteLane.long_answer:
            self.long_answers += rows
        else:
            self.rows += rows
