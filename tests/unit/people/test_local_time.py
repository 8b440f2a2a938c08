"""When digests come, on days like others and on those when the clocks change."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest

from flashnotify.archive.people_records import DigestInterval, DigestTime
from flashnotify.people.local_time import next_digest, zone_of

DAILY = DigestTime(DigestInterval.daily, time(18))
FRIDAY = DigestTime(DigestInterval.weekly, time(18), weekday=5)
NIGHTLY = DigestTime(DigestInterval.daily, time(2, 30))


@pytest.mark.parametrize(
    ("when", "zone", "now", "then"),
    [
        (DAILY, "Europe/Paris", "2026-12-01T17:59+01:00", "2026-12-01T18:00+01:00"),
        (DAILY, "Europe/Paris", "2026-12-01T18:00+01:00", "2026-12-02T18:00+01:00"),
        (DAILY, "America/New_York", "2026-12-01T18:00+01:00", "2026-12-01T18:00-05:00"),
        # 2026-12-04 is a Friday.
        (FRIDAY, "Europe/Paris", "2026-12-01T18:00+01:00", "2026-12-04T18:00+01:00"),
        (FRIDAY, "Europe/Paris", "2026-12-04T18:00+01:00", "2026-12-11T18:00+01:00"),
        # 23 and 25 hours apart.
        (DAILY, "Europe/Paris", "2026-03-28T18:00+01:00", "2026-03-29T18:00+02:00"),
        (DAILY, "Europe/Paris", "2026-10-24T18:00+02:00", "2026-10-25T18:00+01:00"),
        # Skipped; and twice, of which the first counts.
        (NIGHTLY, "Europe/Paris", "2026-03-29T00:00+01:00", "2026-03-29T03:30+02:00"),
        (NIGHTLY, "Europe/Paris", "2026-10-25T00:00+02:00", "2026-10-25T02:30+02:00"),
        (NIGHTLY, "Europe/Paris", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
        # A Friday that Samoa did not have.
        (FRIDAY, "Pacific/Apia", "2011-12-29T12:00-10:00", "2011-12-31T18:00+14:00"),
    ],
)
def test_the_next_digest_comes_at_its_local_time(
    when: DigestTime, zone: str, now: str, then: str
) -> None:
    found = next_digest(when, ZoneInfo(zone), datetime.fromisoformat(now))
    assert found == datetime.fromisoformat(then)


def test_a_zone_that_does_not_exist_is_the_campus_s() -> None:
    campus = ZoneInfo("Europe/Paris")
    assert zone_of("Asia/Tokyo", campus) == ZoneInfo("Asia/Tokyo")
    for name in (None, "", "Europe/Atlantis", "/etc/passwd", "Europe"):
        assert zone_of(name, campus) is campus
