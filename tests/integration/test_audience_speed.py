"""Audiences over a directory of 50,000: how long they take, and how long they hold the loop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from flashnotify.archive.people_records import Person
from flashnotify.delivery.recipients import Recipients, Slice
from flashnotify.domain import AudienceEntry
from tests.support.archives import Archive, empty_archive, opened
from tests.support.directory import Directory
from tests.support.loop_steps import BOUND, longest_step
from tests.support.manual_clock import ManualClock
from tests.support.plans import steps_of
from tests.support.records import Records

PEOPLE, GROUPS = 50_000, 10
# CPU seconds, since others use this machine too.
SECONDS = 2.0
MEASUREMENTS = 4


class Campus:
    """An archive with a directory."""

    def __init__(self, archive: Archive, directory: Directory) -> None:
        self.archive = archive
        self.directory = directory
        self.groups = [f"group:{slug}" for slug in directory.overlapping(GROUPS)]
        directory.add_group("few", directory.people[100:130])

    def slices(self, audience: Sequence[AudienceEntry]) -> AsyncIterator[Slice]:
        records = Records(self.archive.ports, self.archive.clock.now)
        recipients = Recipients(self.archive.ports.directory)
        return recipients.slices(records.notification(audience=audience))

    async def resolve(self, audience: Sequence[AudienceEntry]) -> list[Any]:
        return [each async for some in self.slices(audience) for each in some.recipients]


@pytest.fixture
async def campus(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Campus]:
    file = tmp_path / "archive.db"
    file.write_bytes(await asyncio.to_thread(empty_archive))
    directory = Directory(file)
    directory.add_people(PEOPLE)
    async with opened(file, clock) as archive:
        yield Campus(archive, directory)


@pytest.mark.timeout(300)
async def test_ten_overlapping_groups_reach_each_of_50_000_once(campus: Campus) -> None:
    spent = float("inf")
    for _ in range(MEASUREMENTS):
        before = process_time()
        found = await campus.resolve([*campus.groups, "mailto:ETU1@univ.example"])
        spent = min(spent, process_time() - before)
        assert [each.id for each in found if isinstance(each, Person)] == campus.directory.people
        assert len(found) == PEOPLE
        if spent < SECONDS:
            break
    assert spent < SECONDS

    async def resolve() -> None:
        # Kept no longer than a fan-out does.
        number = 0
        async for some in campus.slices(campus.groups):
            number += len(some.recipients)
        assert number == PEOPLE

    assert await longest_step(resolve) < BOUND


async def test_one_person_and_a_small_group_cost_no_scan(campus: Campus) -> None:
    people = campus.directory.people
    for audience in (
        [f"user:{people[7]}"],
        ["group:few"],
        ["mailto:etu1@univ.example", f"user:{people[1]}"],
    ):
        steps = await steps_of(campus.archive, "users", campus.resolve([*audience]))
        assert not [step for step in steps if not step.startswith("SEARCH users")], steps
        # By key, not from some key on.
        assert not [step for step in steps if "id>?" in step], steps
    assert len(await campus.resolve(["group:few"])) == 30
    assert await campus.archive.ports.directory.count([f"user:{people[7]}"]) == 1
