"""What keeps the acknowledgements of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flashnotify.identity.acknowledgement_links import AcknowledgementLinks
from flashnotify.people.acknowledgements import Acknowledgements

if TYPE_CHECKING:
    from flashnotify.app.service import Service


def links_of(service: Service) -> AcknowledgementLinks:
    """Return what makes and reads the links in messages."""
    return AcknowledgementLinks(service.secret, service.config.public_url)


def acknowledgements_of(service: Service) -> Acknowledgements:
    """Return what keeps the acknowledgements of a service."""
    archive = service.archive
    schemes = {name: channel.spec.scheme for name, channel in service.channels.items()}
    return Acknowledgements(
        *(archive.notifications, archive.deliveries, archive.acknowledgements, archive.directory),
        *(schemes, service.clock, links_of(service).read),
    )
