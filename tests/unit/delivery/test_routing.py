"""Routing chooses the channels of a recipient."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from flashnotify.archive.records import Notification
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.channels.sms.channel import SMSMixin
from flashnotify.delivery.routing import NOT_OFFERED, NOT_REQUESTED, Route, Routing
from flashnotify.domain import Address
from flashnotify.meta.specs import ChannelSpec
from tests.support.delivering import KINDS
from tests.support.memory_archive import MemoryArchive
from tests.support.records import Records

EMAIL: ChannelSpec = EmailMixin.__channel__
SMS: ChannelSpec = SMSMixin.__channel__
ALERT = KINDS["alert"]
# Two of them for the same sort of address.
CHANNELS = {"email": EMAIL, "sms": SMS, "letter": replace(EMAIL, name="letter")}
ROUTING = Routing(CHANNELS)
ADA = Address("mailto", "ada@univ.example")


def asking_for(channels: set[str] | None) -> Notification:
    wanted = None if channels is None else sorted(channels)
    return Records(MemoryArchive(), lambda: 0).notification(channels=wanted)


NAMES = st.sets(st.sampled_from(sorted(CHANNELS)))
RECIPIENTS = st.lists(
    st.builds(Address, st.sampled_from(["mailto", "tel", "user"]), st.text(min_size=1))
)


@given(offered=NAMES, requested=st.none() | NAMES, recipients=RECIPIENTS)
def test_channels_are_those_of_the_kind_and_the_request_and_the_addresses_held(
    offered: set[str], requested: set[str] | None, recipients: list[Address]
) -> None:
    kind = replace(ALERT, channels={name: CHANNELS[name] for name in sorted(offered)})
    routes = list(ROUTING.routes(kind, recipients, asking_for(requested)))
    expected = []
    for address in recipients:
        names = [name for name in sorted(offered) if CHANNELS[name].scheme == address.scheme]
        for name in names:
            skipped = requested is not None and name not in requested
            expected.append(Route(name, address, NOT_REQUESTED if skipped else None))
        if not names:
            # The name of a channel that reaches the address, though the kind does not offer it.
            name = {"mailto": "email", "tel": "sms"}.get(address.scheme, address.scheme)
            expected.append(Route(name, address, NOT_OFFERED))
    assert routes == expected
    # Invariant 11: every entry of the audience leaves a trace.
    assert {route.address for route in routes} == set(recipients)


def test_a_kind_that_no_longer_exists_offers_nothing() -> None:
    assert list(ROUTING.routes(None, [ADA], asking_for(None))) == [Route("email", ADA, NOT_OFFERED)]


def test_two_channels_for_one_address_are_two_deliveries() -> None:
    kind = replace(ALERT, channels=CHANNELS)
    assert list(ROUTING.routes(kind, [ADA], asking_for({"letter"}))) == [
        Route("email", ADA, NOT_REQUESTED),
        Route("letter", ADA),
    ]


def test_a_recipient_keeps_all_routes_together_in_the_order_of_the_audience() -> None:
    bob = Address("mailto", "bob@univ.example")
    kind = replace(ALERT, channels=CHANNELS)
    routes = list(ROUTING.routes(kind, [bob, ADA], asking_for(None)))
    assert [route.address for route in routes] == [bob, bob, ADA, ADA]
