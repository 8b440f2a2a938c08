"""Supervision of the parts of the service that must not end on their own."""

import asyncio
from collections.abc import Coroutine

import structlog

from flashnotify.errors import Unavailable, stack_of

log = structlog.get_logger(__name__)


class Supervisor:
    """The tasks of all parts. A part that ends before `stopping` has failed, however it ended."""

    def __init__(self) -> None:
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.failures: dict[str, str] = {}
        self.failed = asyncio.Event()
        self._stopping = False

    def start(self, part: str, run: Coroutine[None, None, None]) -> None:
        """Start a part."""
        task = asyncio.create_task(run, name=part)
        task.add_done_callback(self._ended)
        self.tasks[part] = task

    def stopping(self) -> None:
        """Allow parts to end from now on."""
        self._stopping = True

    def suspend(self, part: str, reason: str | None) -> bool:
        """Accept nothing because of a `reason`, until it is None; return whether it has changed.

        The part goes on, and the process does not end.
        """
        changed = self.failures.get(part) != reason
        if reason is None:
            self.failures.pop(part, None)
        else:
            self.failures[part] = reason
        return changed

    def require_all(self) -> None:
        """Raise `Unavailable` if a part has failed or the service is stopping."""
        self.require_parts()
        if self._stopping:
            raise Unavailable("The service is stopping.", retry_after=5, code="stopping")

    def require_parts(self) -> None:
        """Raise `Unavailable` if a part has failed."""
        if self.failures:
            parts = ", ".join(self.failures)
            raise Unavailable(f"A part of the service has failed ({parts}).", retry_after=5)

    async def stop(self, part: str, *, within: float) -> None:
        """Let a part finish for `within` seconds, then cancel it."""
        task = self.tasks.get(part)
        if task is None:
            return
        await asyncio.wait({task}, timeout=within)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if self._stopping and error is None:
            return
        name = task.get_name()
        reason = type(error).__name__ if error is not None else "it ended"
        self.failures[name] = reason
        stack = stack_of(error) if error is not None else ""
        log.critical("part.failed", part=name, error=reason, stack=stack)
        self.failed.set()
