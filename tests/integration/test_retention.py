"""Retention purges expired notifications of each kind, and nothing else."""

from contextlib import AbstractAsyncContextManager

from flashnotify.app import Service
from flashnotify.clock import SystemClock
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import Running, running

_DAY = 24 * 3600


async def test_expired_notifications_are_purged_with_everything_they_own(
    clock: ManualClock,
) -> None:
    async with serving(clock) as service:
        old = await service.send(to=[f"mailto:p{n}@univ.example" for n in range(700)])
        await service.completed(old)
        waiting = await service.send(send_at="2029-01-01T00:00:00Z")
    await clock.advance(364 * _DAY)
    async with serving(clock) as service:
        young = await service.send()
        await service.completed(young)
        assert (await service.http.get(f"/v1/notifications/{old}")).status_code == 200
    await clock.advance(2 * _DAY)
    async with serving(clock) as service:
        while old in [n["id"] for n in (await service.get("/v1/notifications"))["items"]]:
            await clock.advance(60)
        page = await service.get("/v1/notifications")
        assert [n["id"] for n in page["items"]] == [young, waiting]
        outbox = await service.get("/v1/outbox", limit=200)
        assert {m["notification_id"] for m in outbox["items"]} == {young}
        assert (await service.http.get(f"/v1/notifications/{old}/deliveries")).status_code == 404


async def test_nothing_is_purged_after_a_start_with_a_wrong_clock(clock: ManualClock) -> None:
    async with serving(clock) as service:
        old = await service.send()
        await service.completed(old)
    wrong = WrongClock(clock.now() + 400 * _DAY * 1000)
    async with running(Service(ServiceConfig(), wrong)) as service:
        assert wrong.in_doubt()
        await service.service.maintenance.purge()
        assert (await service.http.get(f"/v1/notifications/{old}")).status_code == 200


class WrongClock(SystemClock):
    """A machine's clock that stands at `wall`."""

    def __init__(self, wall: int) -> None:
        self._wall = wall
        super().__init__()

    def now(self) -> int:
        return self._wall


def serving(clock: ManualClock) -> AbstractAsyncContextManager[Running]:
    """A service on the archive. It does not run while months pass: each minute would be lived."""
    return running(Service(ServiceConfig(), clock))
