"""Retention purges expired notifications of each kind, and nothing else."""

from contextlib import AbstractAsyncContextManager

from flashnotify.app import Service
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


def serving(clock: ManualClock) -> AbstractAsyncContextManager[Running]:
    """A service on the archive. It does not run while months pass: each minute would be lived."""
    return running(Service(ServiceConfig(), clock))
