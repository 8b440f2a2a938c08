"""Imports people from a file of the campus directory: checks all of it, then stores it.

It is stored in slices, each with its audit entries. An import that ends in between has stored some
of them; the same file imported again goes on from there, since what is the same is left alone.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from mmap import mmap
from typing import Any
from uuid import UUID

from flashnotify.archive import people_ports
from flashnotify.archive.identity_records import User
from flashnotify.clock import Clock
from flashnotify.errors import BadLines, FieldError, MalformedDocument
from flashnotify.identity.audit import Actor, Audit, Fact
from flashnotify.identity.users import Users
from flashnotify.people.csv_file import CsvFile
from flashnotify.people.import_columns import KEY, Columns, Line
from flashnotify.people.import_lines import Lines
from flashnotify.people.import_plan import Options, Planned, Planner
from flashnotify.time_slices import TimeSlices

# People whose changes are stored together: they hold the writer for some 10 ms.
_SLICE = 100


@dataclass(slots=True)
class Import:
    """A file that was checked: its lines, and how many people it changes, by what is done."""

    id: UUID
    file: CsvFile
    columns: Columns
    lines: Lines
    options: Options
    counts: Counter[str] = field(default_factory=Counter)

    def slices(self) -> Sequence[Sequence[Line]]:
        """Return the lines that are good, as many at a time as are stored together."""
        good = self.lines.good
        return [good[start : start + _SLICE] for start in range(0, len(good), _SLICE)]


@dataclass(eq=False, slots=True)
class Imports:
    """Imports people, one file at a time."""

    stored: people_ports.Imports
    directory: people_ports.Directory
    users: Users
    audit: Audit
    clock: Clock
    ids: Callable[[], UUID]
    slices: TimeSlices
    # Waits until few writes wait.
    room: Callable[[], Awaitable[None]]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def check(self, body: bytes | mmap, options: Options) -> Import:
        """Return a file that can be imported, with what that would change. Stores nothing.

        Raises:
            MalformedDocument, DocumentTooLarge: the file as a whole cannot be read.
            InvalidInput: its columns are wrong.
            BadLines: lines are bad, and are not to be skipped.
        """
        file = CsvFile(body, KEY)
        columns = Columns(file.header)
        lines = Lines(columns)
        for record in file.records():
            await self.slices.step()
            lines.add(record)
        if options.deactivate_missing and (lines.unreadable or not lines.seen):
            raise MalformedDocument(
                "Whoever is missing cannot be told: the file has nobody, or a line whose "
                f"{KEY} cannot be read. Nothing was imported.",
                code="missing_unknown",
            )
        found = Import(self.ids(), file, columns, lines, options)
        planner, bad, unchanged = self._planner(found), list[FieldError](), set[int]()
        for part in found.slices():
            planned = await planner.plan(part)
            bad += planned.bad
            unchanged |= planned.unchanged
            found.counts += planned.counts
        lines.drop(unchanged, bad)
        if options.deactivate_missing:
            async for users in self._missing(found):
                found.counts += planner.deactivation(users).counts
        if lines.mistakes.number and not options.skip_bad:
            raise BadLines(lines.mistakes.listed, lines.mistakes.number, lines.number)
        return found

    async def store(self, actor: Actor, checked: Import) -> AsyncIterator[int]:
        """Store what a file changes, and yield the number of lines done, again and again.

        It is planned anew, slice by slice: others may have changed the same people meanwhile.
        `counts` of `checked` is then about what was done, and the lines that cannot be stored any
        more are among its mistakes.
        """
        async with self._turn:
            planner = self._planner(checked)
            checked.counts = Counter(unchanged=checked.counts["unchanged"])
            done = 0
            for part in checked.slices():
                planned = await self._store(actor, checked, partial(planner.plan, part))
                for error in planned.bad:
                    checked.lines.mistakes.add([error])
                done += len(part)
                yield done
            if checked.options.deactivate_missing:
                async for users in self._missing(checked):
                    await self._store(actor, checked, partial(_later, planner.deactivation, users))
            bad = checked.lines.mistakes.number
            details = {"lines": checked.lines.number, "bad": bad, **checked.counts}
            await self.audit.record(actor, "import.completed", f"import:{checked.id}", details)

    def _planner(self, found: Import) -> Planner:
        return Planner(
            *(found.columns, found.options, self.stored, self.directory),
            *(self.ids, self.slices, self.clock.now()),
        )

    async def _store(
        self, actor: Actor, checked: Import, plan: Callable[[], Awaitable[Planned]]
    ) -> Planned:
        planned = Planned()

        async def change() -> Collection[User]:
            nonlocal planned
            planned = await plan()
            if not planned.is_empty:
                part = Fact("import.stored", f"import:{checked.id}", dict(planned.counts))
                write = partial(self.stored.store, planned.changes)
                await self.audit.record_all(actor, [part, *planned.facts], write)
            return planned.changed

        await self.room()
        await self.users.change_many(change)
        checked.counts += planned.counts
        return planned

    async def _missing(self, found: Import) -> AsyncIterator[Sequence[User]]:
        """Yield people whom an import had, and whom the file does not name, some at a time."""
        after: UUID | None = None
        while users := await self.stored.imported(after, _SLICE):
            yield [user for user in users if user.external_id not in found.lines.seen]
            after = users[-1].id


async def _later(plan: Callable[[Any], Planned], users: Sequence[User]) -> Planned:
    return plan(users)
