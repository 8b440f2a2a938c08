"""Cost centres: created, changed. Each change is audited."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from flashnotify.archive import cost_centre_port
from flashnotify.archive.cost_centre_records import CostCentre, SmsUsage
from flashnotify.clock import Clock
from flashnotify.errors import AlreadyTaken, FieldError, InvalidInput, NotFound
from flashnotify.identity.audit import Actor, Audit


@dataclass(eq=False, slots=True)
class CostCentres:
    """Creates, changes and lists those who pay for SMS."""

    stored: cost_centre_port.CostCentres
    audit: Audit
    clock: Clock
    ids: Callable[[], UUID]

    async def all(self) -> Sequence[CostCentre]:
        """Return all cost centres, by slug."""
        return await self.stored.all()

    async def find(self, slug: str) -> CostCentre:
        """Return the cost centre with a slug. Raise `NotFound` if there is none."""
        found = await self.stored.find_slug(slug)
        if found is None:
            raise NotFound("No cost centre has this slug. List them: /v1/cost-centres")
        return found

    async def usage(self, slug: str) -> Sequence[SmsUsage]:
        """Return what a cost centre used, by month and kind. Raise `NotFound` as `find`."""
        return await self.stored.usage((await self.find(slug)).id)

    async def create(self, actor: Actor, fields: Mapping[str, Any]) -> CostCentre:
        """Create a cost centre. Raise `AlreadyTaken` if another has its slug."""
        centre = CostCentre(self.ids(), created_at=self.clock.now(), **fields)
        if await self.stored.find_slug(centre.slug) is not None:
            detail = "belongs to another cost centre"
            raise AlreadyTaken([FieldError("/slug", "already_taken", detail)])
        details = {"slug": centre.slug, "fields": sorted(fields)}
        write = partial(self.stored.add, centre)
        about = f"cost_centre:{centre.id}"
        await self.audit.record(actor, "cost_centre.created", about, details, write)
        return centre

    async def change(self, actor: Actor, slug: str, fields: Mapping[str, Any]) -> CostCentre:
        """Change `fields` of a cost centre. Raise `NotFound` as `find`."""
        before = await self.find(slug)
        after = replace(before, **fields)
        changed = {
            name: [getattr(before, name), getattr(after, name)]
            for name in fields
            if getattr(before, name) != getattr(after, name)
        }
        if changed:
            details = {"fields": sorted(changed), **changed}
            write, about = partial(self.stored.change, after), f"cost_centre:{after.id}"
            await self.audit.record(actor, "cost_centre.changed", about, details, write)
        return after

    async def id_of(self, slug: str | None) -> UUID | None:
        """Return the id for the `cost_centre` of a request. Raise `InvalidInput` if unknown."""
        if slug is None:
            return None
        found = await self.stored.find_slug(slug)
        if found is None:
            detail = "no cost centre has this slug; list them: /v1/cost-centres"
            raise InvalidInput([FieldError("/cost_centre", "unknown_cost_centre", detail)])
        return found.id

    async def slugs(self) -> Mapping[UUID | None, str]:
        """Return the slugs of all cost centres by id."""
        return {each.id: each.slug for each in await self.stored.all()}
