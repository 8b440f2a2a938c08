"""Kill `serve` repeatedly while clients post and mail goes out."""

import asyncio
import os
import random
import secrets
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.archive import copy_of, ids
from tests.faults.ledger import MailLedger
from tests.support.eventually import eventually
from tests.support.running import ACADEMIC
from tests.support.serve_process import ServeProcess
from tests.support.watching import all_completed

KILLS = 10
CLIENTS = 6


class Clients:
    """Clients that post without pause. `accepted` maps the reference of each 202 to its id.

    Clients of even number use an Idempotency-Key and repeat a request until it is answered; the
    others never repeat one.
    """

    def __init__(self, serve: ServeProcess, chance: random.Random) -> None:
        self.serve = serve
        self.accepted: dict[str, str] = {}
        self.recipients: dict[str, set[str]] = {}
        self.headers: dict[str, str] = {}
        self.up = asyncio.Event()
        self.unanswered = 0
        self._chance = chance
        self._enough = False

    async def run(self) -> None:
        """Post until `finish`."""
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http, asyncio.TaskGroup() as g:
            for number in range(CLIENTS):
                g.create_task(self._post_without_pause(http, number))

    def finish(self) -> None:
        """Start no new requests; repeat pending ones until they are answered."""
        self._enough = True

    async def _post_without_pause(self, http: httpx.AsyncClient, number: int) -> None:
        count = 0
        while not self._enough:
            count += 1
            reference = f"{number}-{count}"
            size = self._chance.choice((1, 1, 2, 30))
            to = {f"r{reference}-{i}@univ.example" for i in range(size)}
            self.recipients[reference] = to
            document = ACADEMIC | {
                "to": [f"mailto:{address}" for address in sorted(to)],
                "reference": reference,
                "priority": self._chance.choice(("low", "high")),
            }
            repeats = number % 2 == 0
            key = {"Idempotency-Key": reference} if repeats else {}
            while not await self._post(http, document, key) and repeats:
                self.unanswered += 1

    async def _post(
        self, http: httpx.AsyncClient, document: dict[str, Any], key: dict[str, str]
    ) -> bool:
        await self.up.wait()
        url = f"{self.serve.url}/v1/notifications"
        try:
            answer = await http.post(url, json=document, headers=self.headers | key)
        except httpx.TransportError:
            return False
        assert answer.status_code == 202, answer.text
        self.accepted[document["reference"]] = answer.json()["id"]
        return True


@dataclass
class Life:
    """The archive as a killed service left it."""

    mails: int
    committed: set[str]


@dataclass
class Chaos:
    """One run of the experiment."""

    serve: ServeProcess
    mail: MailLedger
    clients: Clients
    chance: random.Random
    lives: list[Life] = field(default_factory=list)

    async def live_and_die(self, number: int) -> None:
        """Start, unless this is the first life, kill at a random moment, and check the archive."""
        if number % 4 == 3:
            # While it starts, migrates or picks up unfinished work.
            await self.serve.start(ready=False)
            await asyncio.sleep(self.chance.uniform(0.2, 1.5))
        else:
            if number:
                await self.serve.start()
            self.clients.up.set()
            await self._moment()
        self.clients.up.clear()
        assert await self.serve.kill() == -9
        await self.mail.quiet()
        with copy_of(self.serve.archive) as archive:
            assert archive.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            kept = set(ids(archive, "SELECT id FROM notifications"))
            assert set(self.clients.accepted.values()) <= kept, "a 202 that was not on disk"
            sent = ids(archive, "SELECT id FROM deliveries WHERE status = 'sent'")
        self.lives.append(Life(len(self.mail.taken), set(sent)))

    async def _moment(self) -> None:
        """Wait for some more mails or 202s, and a moment longer."""
        ledger = self.chance.choice((self.mail.taken, self.clients.accepted))
        goal = len(ledger) + self.chance.randint(1, 100)
        await eventually(lambda: len(ledger) >= goal)
        await asyncio.sleep(self.chance.uniform(0, 0.02))


@pytest.mark.timeout(180)
async def test_no_notification_is_lost_and_only_uncommitted_results_repeat(
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("KILL_SEED") or secrets.randbits(32))
    print(f"KILL_SEED={seed}")  # noqa: T201  # to have the same again
    chance = random.Random(seed)
    async with MailLedger() as mail:
        serve = ServeProcess(tmp_path, EMAIL_URL=mail.url)
        clients = Clients(serve, chance)
        chaos = Chaos(serve, mail, clients, chance)
        async with serve:
            clients.headers = await serve.key("notify:*", "read")
            posting = asyncio.create_task(clients.run())
            try:
                for number in range(KILLS):
                    await chaos.live_and_die(number)
                    assert not posting.done(), posting.exception()
                await serve.start()
                clients.up.set()
                clients.finish()
                await posting
                await all_completed(serve)
            finally:
                posting.cancel()
                await asyncio.gather(posting, return_exceptions=True)
            assert await serve.terminate() == 0
        await mail.quiet()
        _compare(chaos)


def _compare(chaos: Chaos) -> None:
    clients, taken = chaos.clients, chaos.mail.taken
    times = Counter(delivery for delivery, _ in taken)
    twice = sum(count > 1 for count in times.values())
    print(  # noqa: T201
        f"{len(clients.accepted)} accepted, {clients.unanswered} repeated after no answer, "
        f"{len(taken)} mails, {twice} more than once"
    )
    received = {recipient for _, recipient in taken}
    for reference in clients.accepted:
        assert clients.recipients[reference] <= received, f"{reference} was lost"

    # Whatever was on disk as sent never came again, and nothing came twice in one life.
    start = 0
    for life in [*chaos.lives, Life(len(taken), set())]:
        assert max(Counter(taken[start : life.mails]).values(), default=0) <= 1
        again = {delivery for delivery, _ in taken[life.mails :]} & life.committed
        assert not again, "came again although the outcome had been committed"
        start = life.mails

    with copy_of(chaos.serve.archive) as archive:
        assert ids(archive, "SELECT id FROM notifications WHERE status <> 'completed'") == []
        assert ids(archive, "SELECT id FROM notifications WHERE pending <> 0") == []
        assert ids(archive, "SELECT id FROM jobs") == []
        sent = ids(archive, "SELECT id FROM deliveries WHERE status = 'sent'")
        assert sorted(sent) == sorted(times)
        attempts = ids(archive, "SELECT delivery_id FROM attempts WHERE outcome = 'sent'")
        assert sorted(attempts) == sorted(times)
        counted = archive.execute("SELECT status, SUM(deliveries) FROM counts GROUP BY status")
        assert {status: n for status, n in counted if n} == {"sent": len(sent)}
        stored = Counter(row[0] for row in archive.execute("SELECT reference FROM notifications"))
        kept = set(ids(archive, "SELECT id FROM notifications"))
    assert set(clients.accepted.values()) <= kept
    assert max(stored.values()) == 1


PEOPLE, FAN_OUTS = 300, 3


@pytest.mark.timeout(120)
async def test_everybody_in_a_group_gets_a_notification_once(tmp_path: Path) -> None:
    seed = int(os.environ.get("KILL_SEED") or secrets.randbits(32))
    print(f"KILL_SEED={seed}")  # noqa: T201  # to have the same again
    chance = random.Random(seed)
    async with MailLedger() as mail:
        serve = ServeProcess(tmp_path, EMAIL_URL=mail.url)
        lives: list[Life] = []
        async with serve:
            everybody = await _import(serve)
            for _ in range(FAN_OUTS):
                # Named twice, and in the group.
                to = {"to": ["group:all", "user:p1", {"any": ["group:all"]}], "channels": ["email"]}
                answer = await serve.admin.post("/v1/notifications", json=ACADEMIC | to)
                assert answer.status_code == 202, answer.text
                # While it fans out, or later.
                await mail.until_taken(len(mail.taken) + chance.choice((0, 1, PEOPLE // 2)))
                await asyncio.sleep(chance.uniform(0, 0.05))
                assert await serve.kill() == -9
                await mail.quiet()
                with copy_of(serve.archive) as archive:
                    sent = ids(archive, "SELECT id FROM deliveries WHERE status = 'sent'")
                lives.append(Life(len(mail.taken), set(sent)))
                await serve.start()
            await all_completed(serve)
            assert await serve.terminate() == 0
        await mail.quiet()
    for life in lives:
        assert not {delivery for delivery, _ in mail.taken[life.mails :]} & life.committed
    got = Counter(recipient for _, recipient in set(mail.taken))
    assert got == dict.fromkeys(everybody, FAN_OUTS)
    with copy_of(serve.archive) as archive:
        query = "SELECT COUNT(*), COUNT(DISTINCT user_id) FROM deliveries GROUP BY notification_id"
        assert archive.execute(query).fetchall() == [(PEOPLE, PEOPLE)] * FAN_OUTS
        assert ids(archive, "SELECT id FROM jobs") == []


async def _import(serve: ServeProcess) -> list[str]:
    """Import people who are all in one group, and return their addresses."""
    addresses = [f"p{number}@univ.example" for number in range(PEOPLE)]
    lines = [f"p{number},P,{address},all" for number, address in enumerate(addresses)]
    answer = await serve.admin.post(
        "/v1/users/import?create_groups=true",
        content="\n".join(["external_id,name,email,groups", *lines]),
        headers={"Content-Type": "text/csv"},
    )
    assert answer.status_code == 200, answer.text
    return addresses
