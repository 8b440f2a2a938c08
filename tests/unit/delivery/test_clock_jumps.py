"""A delivery whose clock jumps is neither given up nor held."""

from flashnotify.domain import Priority
from flashnotify.errors import Retryable
from tests.support.delivering import Delivering
from tests.support.manual_clock import ManualClock

DAY = 24 * 3600


async def test_nothing_is_given_up_because_of_a_jump(clock: ManualClock) -> None:
    delivering = Delivering(clock)
    delivering.transports["email"][0].script += [Retryable("busy")] * 3
    (job,) = await delivering.batches(expires_at=clock.now() + 2 * DAY * 1000)
    first = clock.now()
    await delivering.execute(job)
    await clock.advance(600)
    clock.step(400 * DAY)
    clock.doubted = True
    # It would have expired, and waits.
    assert await delivering.execute(job) == clock.now() + 60_000
    clock.step(-400 * DAY)
    clock.doubted = False
    await delivering.execute(job)
    (delivery,) = delivering.deliveries()
    assert (delivery.status, delivery.attempts) == ("queued", 2)
    assert delivery.first_attempt_at == first


async def test_attempts_made_ahead_of_time_do_not_prolong_a_delivery(clock: ManualClock) -> None:
    delivering = Delivering(clock)
    delivering.transports["email"][0].script += [Retryable("busy")] * 2
    (job,) = await delivering.batches()
    clock.step(400 * DAY)
    await delivering.execute(job)
    clock.step(-400 * DAY)
    await delivering.execute(job)
    (delivery,) = delivering.deliveries()
    assert (delivery.attempts, delivery.first_attempt_at) == (2, clock.now())


async def test_a_clock_that_is_set_back_holds_no_delivery(clock: ManualClock) -> None:
    delivering = Delivering(clock)
    delivering.transports["email"][0].script.append(Retryable("busy", after=20))
    (job,) = await delivering.batches(priority=Priority.critical)
    await delivering.execute(job)
    assert delivering.deliveries()[0].due_at >= clock.now() + 20_000
    clock.step(-3600)
    assert await delivering.execute(job) is None
    assert [status[1] for status in delivering.statuses()] == ["sent"]
