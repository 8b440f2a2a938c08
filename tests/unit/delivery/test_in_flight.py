"""Jobs in flight, and their cancellation."""

from uuid import UUID

import pytest

from flashnotify.delivery.in_flight import InFlight
from flashnotify.domain import Job, Priority

ONE, OTHER = UUID(int=1), UUID(int=2)
DELIVERY = UUID(int=9)


def job(number: int, notification: UUID = ONE) -> Job:
    return Job(UUID(int=number), notification, Priority.low, "email")


def test_a_cancellation_reaches_every_job_in_flight_of_its_notification() -> None:
    in_flight = InFlight()
    first, second, other = job(10), job(11), job(12, OTHER)
    with in_flight.job(first), in_flight.job(second), in_flight.job(other):
        in_flight.cancel(ONE)
        assert [in_flight.cancelled(held) for held in (first, second, other)] == [True, True, False]
        # And one that begins while another is still in flight.
        with in_flight.job(job(13)):
            assert in_flight.cancelled(job(13))


def test_cancelling_a_job_not_in_flight_is_left_to_the_archive() -> None:
    in_flight = InFlight()
    in_flight.cancel(ONE)
    with in_flight.job(job(10)):
        assert not in_flight.cancelled(job(10))


def test_finished_jobs_leave_nothing_behind() -> None:
    in_flight = InFlight()
    with in_flight.job(job(10)):
        with in_flight.job(job(11)):
            in_flight.cancel(ONE)
        assert in_flight.cancelled(job(10))
    with in_flight.job(job(10)):
        assert not in_flight.cancelled(job(10))
    assert in_flight._notifications == {}


def test_deliveries_are_being_sent_while_they_are_held() -> None:
    in_flight = InFlight()
    assert in_flight.sending(ONE) == frozenset()
    with in_flight.job(job(10)):
        assert in_flight.sending(ONE) == frozenset()
        with in_flight.delivery(job(10), DELIVERY):
            assert in_flight.sending(ONE) == {DELIVERY}
            assert in_flight.sending(OTHER) == frozenset()
        assert in_flight.sending(ONE) == frozenset()


def test_an_error_releases_job_and_delivery() -> None:
    in_flight = InFlight()

    def fail() -> None:
        with in_flight.job(job(10)), in_flight.delivery(job(10), DELIVERY):
            raise ZeroDivisionError

    with in_flight.job(job(11)):
        with pytest.raises(ZeroDivisionError):
            fail()
        assert in_flight.sending(ONE) == frozenset()
    assert in_flight._notifications == {}
