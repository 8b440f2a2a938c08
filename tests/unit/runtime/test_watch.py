"""The archive's file is watched, and so is the clock."""

import asyncio
from pathlib import Path

import pytest

from flashnotify.errors import Unavailable
from flashnotify.runtime.supervisor import Supervisor
from flashnotify.runtime.watch import PART, Watch
from tests.support.loop_turns import some_turns
from tests.support.manual_clock import ManualClock


async def test_nothing_is_accepted_while_the_file_is_gone(
    clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    there = True
    supervisor = Supervisor()
    watch = Watch(Path("var/a.db"), lambda: there, supervisor, clock)
    watching = asyncio.create_task(watch.run())
    await some_turns()
    supervisor.require_all()
    there = False
    await clock.advance(30)
    with pytest.raises(Unavailable, match=PART):
        supervisor.require_all()
    assert not supervisor.failed.is_set(), "what was accepted is still sent"
    there = True
    await clock.advance(11)
    supervisor.require_all()
    watching.cancel()
    said = capsys.readouterr().out
    assert (said.count("archive.is_gone"), said.count("archive.is_back")) == (1, 1)
