"""What a service knows about people: how they want to be notified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flashnotify.people.cost_centres import CostCentres
from flashnotify.people.groups import Groups
from flashnotify.people.phone_confirmation import PhoneConfirmations
from flashnotify.people.preferences import Preferences
from flashnotify.people.topics import Topics

if TYPE_CHECKING:
    from flashnotify.app.service import Service


@dataclass(frozen=True, slots=True)
class People:
    """The parts of a service that know people."""

    cost_centres: CostCentres
    groups: Groups
    topics: Topics
    preferences: Preferences
    phones: PhoneConfirmations


def people_of(service: Service) -> People:
    """Return the parts of a service that know people."""
    archive = service.archive
    audit, clock = service.identity.audit, service.clock
    groups = Groups(archive.groups, audit, clock, service.ids)
    preferences = Preferences(
        *(archive.preferences, archive.directory, service.kinds),
        *(audit, clock, service.zone),
        on_digest=service.digests.wake_up,
    )
    phones = PhoneConfirmations(
        *(archive.phone_confirmations, service.identity.users, service.direct_messages),
        *(clock, service.secret.key, service.config.locale),
    )
    cost_centres = CostCentres(archive.cost_centres, audit, clock, service.ids)
    topics = Topics(archive.groups, audit, clock)
    return People(cost_centres, groups, topics, preferences, phones)
