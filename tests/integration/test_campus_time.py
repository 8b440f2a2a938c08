"""Messages show times in the time zone of the campus."""

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import running


@pytest.mark.parametrize(
    ("timezone", "starts_at", "shown"),
    [
        ("Europe/Paris", "2026-12-03T17:00:00Z", "Thursday 3 December 2026 at 18:00"),
        ("Europe/Paris", "2026-12-03T23:30:00.000Z", "Friday 4 December 2026 at 00:30"),
        ("Europe/Paris", "2026-07-03T17:00:00+00:00", "Friday 3 July 2026 at 19:00"),
        ("Europe/Paris", "2026-12-03T18:00:00+01:00", "Thursday 3 December 2026 at 18:00"),
        # Clocks show this hour twice.
        ("Europe/Paris", "2026-10-25T00:30:00Z", "Sunday 25 October 2026 at 02:30 (GMT+02:00)\n"),
        ("Europe/Paris", "2026-10-25T01:30:00Z", "Sunday 25 October 2026 at 02:30 (GMT+01:00)\n"),
        ("Europe/Paris", "2026-10-25T02:30:00Z", "Sunday 25 October 2026 at 03:30\n"),
        # As long as nobody has set one, a sender's own clock is the best there is.
        ("UTC", "2026-12-03T18:00:00+01:00", "Thursday 3 December 2026 at 18:00"),
    ],
)
async def test_a_time_is_shown_in_the_campus_time_zone(
    clock: ManualClock, timezone: str, starts_at: str, shown: str
) -> None:
    async with running(Service(ServiceConfig(timezone=timezone), clock)) as service:
        id = await service.send(data={"course": "ALG-2", "starts_at": starts_at})
        await service.completed(id)
        (message,) = (await service.get("/v1/outbox"))["items"]
        assert shown in message["text"].replace("\N{NO-BREAK SPACE}", " ")
        # The sender's words are kept as they are.
        assert (await service.get(f"/v1/notifications/{id}"))["data"]["starts_at"][:16] == (
            starts_at[:16]
        )
