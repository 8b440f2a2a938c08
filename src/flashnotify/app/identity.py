"""Who may use a service, and what proves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flashnotify.identity.api_keys import ApiKeys
from flashnotify.identity.audit import Audit

if TYPE_CHECKING:
    from flashnotify.app.service import Service


@dataclass(frozen=True, slots=True)
class Identity:
    """The parts of a service that know who may use it."""

    audit: Audit
    keys: ApiKeys


def identity_of(service: Service) -> Identity:
    """Return the parts of a service that know who may use it. May create its secret key."""
    archive, clock = service.archive, service.clock
    audit = Audit(archive.audit, clock)
    return Identity(audit=audit, keys=ApiKeys(archive.api_keys, audit, clock, service.secret.key))
