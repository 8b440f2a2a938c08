"""What is known of refused addresses is bounded."""

from flashnotify.ids import UUIDv7
from flashnotify.people.refused_addresses import RefusedAddresses
from tests.support.manual_clock import ManualClock
from tests.support.memory_archive import MemoryArchive


async def test_the_oldest_make_room_those_that_are_suspended_last() -> None:
    clock, archive = ManualClock(0), MemoryArchive()
    refused = RefusedAddresses(archive.refused_addresses, clock, UUIDv7(clock.now), most=2)
    await refused.report_dead("sms", "+331", "dead")
    for address in ("a@x.example", "b@x.example"):
        await archive.refused_addresses.store(refused.refuse("email", address, "unknown"))
    assert list(refused.known) == [("sms", "+331"), ("email", "b@x.example")]
    again = RefusedAddresses(archive.refused_addresses, clock, UUIDv7(clock.now), most=2)
    await again.load()
    assert again.known == refused.known
