"""The endpoints that people come and go by: imports, exports and erasures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from flashnotify.api.personal_data import personal_data_router
from flashnotify.api.user_imports import user_imports_router
from flashnotify.people.erasure import Erasure
from flashnotify.people.export import People
from flashnotify.people.imports import Imports

if TYPE_CHECKING:
    from flashnotify.app.service import Service


def people_csv_router(service: Service, max_bytes: int) -> APIRouter:
    """Return the endpoints that import and export people, in files of at most `max_bytes`."""
    archive, identity = service.archive, service.identity
    imports = Imports(
        *(archive.imports, archive.directory, identity.users, identity.audit),
        *(service.clock, service.ids, service.slices, archive.room),
    )
    people = People(archive.imports, service.slices)
    return user_imports_router(imports, people, identity.audit, max_bytes)


def privacy_router(service: Service) -> APIRouter:
    """Return the endpoints that export and erase what is stored about a person."""
    archive, identity, in_flight = service.archive, service.identity, service.in_flight
    erasure = Erasure(
        *(archive.personal_data, identity.users, identity.audit, service.clock, service.slices),
        *(in_flight.erased, in_flight.sending),
    )
    clock, slices = service.clock, service.slices
    return personal_data_router(erasure, identity.users, identity.sign_in, clock, slices)
