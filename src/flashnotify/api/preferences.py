"""`/v1/me/preferences` and `/v1/users/{id}/preferences`: how people want to be notified."""

from datetime import time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from flashnotify.api.auth import AnyKey, PeopleManager, actor_of, own_id
from flashnotify.api.bodies import body_of, read_model
from flashnotify.api.problems import problems
from flashnotify.archive.people_records import DigestInterval, DigestTime, Person
from flashnotify.domain import Window
from flashnotify.identity.principal import Principal
from flashnotify.meta.descriptors import TimeWindow
from flashnotify.meta.localization import TimeOfDay
from flashnotify.meta.specs import NotifierSpec
from flashnotify.people.preferences import Preferences
from flashnotify.time_slices import TimeSlices

_Channels = Annotated[list[str], Field(max_length=20)]


class Digest(BaseModel):
    """When the digest of low notifications comes, in the person's time zone."""

    model_config = ConfigDict(extra="forbid")

    every: DigestInterval
    at: Annotated[time, TimeOfDay(example="18:00")]
    weekday: Annotated[int, Field(ge=1, le=7, description="Of a weekly one: 1 is Monday.")] = 1


class DigestOut(BaseModel):
    """When the digest of low notifications comes. `weekday` is that of a weekly one."""

    every: DigestInterval
    at: str
    weekday: int | None


class PreferencesIn(BaseModel):
    """How a person wants to be notified. For a kind that is absent or null, its defaults hold."""

    model_config = ConfigDict(extra="forbid")

    kinds: dict[str, _Channels | None] = Field(
        default_factory=dict,
        max_length=100,
        description="By kind, the channels on which it may come. An empty list opts out.",
        examples=[{"academic": ["email"]}],
    )
    quiet_hours: Annotated[Window, TimeWindow(example="22:00-07:00")] | None = None
    digest: Digest | None = None


class KindDefaults(BaseModel):
    """What holds for a kind if nothing is chosen, and what can be."""

    channels: list[str]
    offered: list[str]
    mandatory: bool


class PreferencesOut(BaseModel):
    """How a person wants to be notified, and what holds where nothing is chosen.

    Quiet hours and digest are in `timezone`.
    """

    kinds: dict[str, list[str]]
    quiet_hours: str | None
    digest: DigestOut | None
    timezone: str
    defaults: dict[str, KindDefaults]


def preferences_router(
    preferences: Preferences, max_request_bytes: int, slices: TimeSlices
) -> APIRouter:
    """Return the endpoints for one's own preferences, and for those of others."""
    router = APIRouter(prefix="/v1", tags=["people"])
    said = (
        "By kind, the channels that were chosen; beside them, what holds where nothing was chosen."
    )
    about: dict[str, Any] = {"description": said}
    own: dict[str, Any] = about | {"responses": problems(403)}
    body = {"requestBody": body_of(PreferencesIn)}

    async def change(
        request: Request, principal: Principal, id: UUID, *, whole: bool
    ) -> PreferencesOut:
        wanted = await read_model(request, PreferencesIn, max_request_bytes, slices)
        fields = {name: getattr(wanted, name) for name in wanted.model_fields_set - {"kinds"}}
        if wanted.digest is not None:
            fields["digest"] = DigestTime(**dict(wanted.digest))
        actor = actor_of(request, principal)
        person = await preferences.change(actor, id, wanted.kinds, fields, whole=whole)
        return _shown(preferences, person)

    @router.get("/me/preferences", summary="Get your preferences", **own)
    async def get_own_preferences(principal: AnyKey) -> PreferencesOut:
        return _shown(preferences, await preferences.of(own_id(principal)))

    @router.put("/me/preferences", summary="Set your preferences", openapi_extra=body, **own)
    async def set_own_preferences(request: Request, principal: AnyKey) -> PreferencesOut:
        return await change(request, principal, own_id(principal), whole=True)

    @router.patch("/me/preferences", summary="Change your preferences", openapi_extra=body, **own)
    async def change_own_preferences(request: Request, principal: AnyKey) -> PreferencesOut:
        return await change(request, principal, own_id(principal), whole=False)

    @router.get("/users/{id}/preferences", summary="Get the preferences of a user", **about)
    async def get_preferences(id: UUID, _: PeopleManager) -> PreferencesOut:
        return _shown(preferences, await preferences.of(id))

    @router.put(
        "/users/{id}/preferences",
        summary="Set the preferences of a user",
        openapi_extra=body,
        **about,
    )
    async def set_preferences(
        id: UUID, request: Request, principal: PeopleManager
    ) -> PreferencesOut:
        return await change(request, principal, id, whole=True)

    @router.patch(
        "/users/{id}/preferences",
        summary="Change the preferences of a user",
        openapi_extra=body,
        **about,
    )
    async def change_preferences(
        id: UUID, request: Request, principal: PeopleManager
    ) -> PreferencesOut:
        return await change(request, principal, id, whole=False)

    return router


def _shown(preferences: Preferences, person: Person) -> PreferencesOut:
    chosen, kinds = person.preferences, preferences.kinds
    hours, digest = chosen.quiet_hours, chosen.digest
    return PreferencesOut(
        # Without those of kinds that do not exist any more.
        kinds={name: sorted(chosen.kinds[name]) for name in kinds if name in chosen.kinds},
        quiet_hours=None if hours is None else str(hours),
        digest=None if digest is None else _digest(digest),
        timezone=str(preferences.zone_of(person)),
        defaults={name: _defaults(kind) for name, kind in kinds.items()},
    )


def _digest(digest: DigestTime) -> DigestOut:
    weekly = digest.every is DigestInterval.weekly
    weekday = digest.weekday if weekly else None
    return DigestOut(every=digest.every, at=f"{digest.at:%H:%M}", weekday=weekday)


def _defaults(kind: NotifierSpec) -> KindDefaults:
    defaults = [name for name in kind.channels if name in kind.default_channels]
    return KindDefaults(channels=defaults, offered=list(kind.channels), mandatory=kind.mandatory)
