"""`/v1/cost-centres`: who pays for SMS, how much they may use, and what they used."""

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from flashnotify.api.auth import Admin, actor_of
from flashnotify.api.bodies import body_of, read_model
from flashnotify.api.fields import Page, Time
from flashnotify.api.path_prefix import link
from flashnotify.api.problems import problems
from flashnotify.archive import records
from flashnotify.archive.cost_centre_records import CostCentre, Period, SmsUsage
from flashnotify.meta.descriptors import Text
from flashnotify.people.cost_centres import CostCentres
from flashnotify.people.slugs import Slug
from flashnotify.people.sms_credit import SmsCredit
from flashnotify.time_slices import TimeSlices

SlugPath = Annotated[str, Path(max_length=100, description="The slug of a cost centre.")]
_NAME = Annotated[str, Text(required=True, max_length=200, example="University library")]
_Segments = Annotated[int, Field(ge=0, le=10**9, strict=True)]
_CSV = "text/csv"
_COLUMNS = ("month", "kind", "segments", "messages")


class CostCentreChange(BaseModel):
    """What to change of a cost centre. Fields that are absent stay; null removes a limit."""

    model_config = ConfigDict(extra="forbid")

    name: _NAME = Field(default_factory=str)
    credit: _Segments | None = Field(
        default=None, description="SMS segments in a period.", examples=[5000]
    )
    period: Period = Field(
        default=Period.month,
        description="Whether the credit is for each month in campus time, or until it is used up.",
    )
    per_notification: _Segments | None = Field(
        default=None, description="The most SMS segments of one notification.", examples=[500]
    )


class CostCentreIn(CostCentreChange):
    """A new cost centre."""

    slug: Annotated[str, Slug(required=True, example="library")]
    name: _NAME


class CostCentreOut(BaseModel):
    """A cost centre, and how many SMS segments it `used` in this period and has `left`."""

    id: UUID
    slug: str
    name: str
    credit: int | None
    period: Period
    per_notification: int | None
    used: int
    left: int | None
    created_at: Time


class SmsUsageOut(BaseModel):
    """The SMS of a kind in a month of the campus, such as `2026-12`, and their segments."""

    month: str
    kind: str
    segments: int
    messages: int


def cost_centres_router(
    centres: CostCentres, credit: SmsCredit, max_request_bytes: int, slices: TimeSlices
) -> APIRouter:
    """Return the endpoints of `/v1/cost-centres`."""
    router = APIRouter(prefix="/v1/cost-centres", tags=["people"])

    async def shown(centre: CostCentre) -> dict[str, Any]:
        used, most = await credit.used(centre), centre.credit
        values = {field.name: getattr(centre, field.name) for field in fields(centre)}
        return values | {"used": used, "left": None if most is None else max(most - used, 0)}

    @router.post(
        "",
        status_code=201,
        summary="Create a cost centre",
        description="Keys and groups name it as their `cost_centre`.",
        response_model=CostCentreOut,
        responses=problems(409),
        openapi_extra={"requestBody": body_of(CostCentreIn)},
    )
    async def create_cost_centre(request: Request, response: Response, principal: Admin) -> Any:
        wanted = await read_model(request, CostCentreIn, max_request_bytes, slices)
        given = wanted.model_dump(exclude_unset=True)
        centre = await centres.create(actor_of(request, principal), given)
        response.headers["Location"] = link(f"/v1/cost-centres/{centre.slug}")
        return await shown(centre)

    @router.get(
        "",
        summary="List cost centres",
        description="All, by slug, with what they used in this period.",
        response_model=Page[CostCentreOut],
    )
    async def list_cost_centres(_: Admin) -> records.Page[dict[str, Any]]:
        return records.Page([await shown(each) for each in await centres.all()], next=None)

    @router.get(
        "/{slug}",
        summary="Get a cost centre",
        description="The cost centre as the list shows it.",
        response_model=CostCentreOut,
    )
    async def get_cost_centre(slug: SlugPath, _: Admin) -> Any:
        return await shown(await centres.find(slug))

    @router.patch(
        "/{slug}",
        summary="Change a cost centre",
        description="Another credit counts from the next notification on.",
        response_model=CostCentreOut,
        openapi_extra={"requestBody": body_of(CostCentreChange)},
    )
    async def change_cost_centre(slug: SlugPath, request: Request, principal: Admin) -> Any:
        wanted = await read_model(request, CostCentreChange, max_request_bytes, slices)
        given = wanted.model_dump(exclude_unset=True)
        return await shown(await centres.change(actor_of(request, principal), slug, given))

    @router.get(
        "/{slug}/usage",
        summary="Show what a cost centre used",
        description="By month and kind, as counted when notifications were accepted. With `Accept: "
        "text/csv` as CSV.",
        response_model=Page[SmsUsageOut],
        responses={200: {"content": {_CSV: {"schema": {"type": "string"}}}}},
    )
    async def get_cost_centre_usage(slug: SlugPath, request: Request, _: Admin) -> Any:
        found = await centres.usage(slug)
        if _CSV in request.headers.get("accept", ""):
            return Response(_csv(found), media_type=_CSV)
        return records.Page(found, next=None)

    return router


def _csv(usage: Sequence[SmsUsage]) -> str:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(_COLUMNS)
    rows.writerows([getattr(each, name) for name in _COLUMNS] for each in usage)
    return text.getvalue()
