"""What a service knows about people: how they want to be notified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flashnotify.people.preferences import Preferences

if TYPE_CHECKING:
    from flashnotify.app.service import Service


@dataclass(frozen=True, slots=True)
class People:
    """The parts of a service that know people."""

    preferences: Preferences


def people_of(service: Service) -> People:
    """Return the parts of a service that know people."""
    archive = service.archive
    preferences = Preferences(
        *(archive.preferences, archive.directory, service.kinds),
        *(service.identity.audit, service.clock, service.zone),
        on_digest=service.digests.wake_up,
    )
    return People(preferences)
