"""`/v1/audience/preview`: whom an audience reaches now."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from flashnotify.api.auth import PeopleManager
from flashnotify.api.bodies import body_of, read_model
from flashnotify.domain import Priority
from flashnotify.errors import FieldError, InvalidInput
from flashnotify.intake.preview import Preview
from flashnotify.meta.specs import NotifierSpec
from flashnotify.meta.suggestions import did_you_mean
from flashnotify.time_slices import TimeSlices


class AudienceIn(BaseModel):
    """An audience, and what would be sent to it: `title` and `body` for the cost of SMS."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(examples=["academic"])
    to: list[Any] = Field(
        min_length=1,
        max_length=10_000,
        description="As in a notification.",
        examples=[["group:l3"]],
    )
    channels: list[str] | None = Field(default=None, min_length=1, max_length=20)
    priority: str | None = Field(default=None, description="Default: the kind's.")
    title: str | None = Field(default=None, max_length=1000)
    body: str | None = Field(default=None, max_length=10_000)


class SampleOut(BaseModel):
    """Somebody who is reached. Addresses are masked."""

    name: str
    channels: Sequence[str]
    addresses: Sequence[str]


class PreviewOut(BaseModel):
    """Whom an audience reaches now.

    `recipients` are people and addresses that get it, `channels` the messages on each channel, and
    `left_out` those who get nothing, by reason. `sms_segments` is what the title and body would
    cost by SMS, without the fields of the kind.
    """

    recipients: int
    channels: Mapping[str, int]
    left_out: Mapping[str, int]
    sms_segments: int | None
    sample: list[SampleOut]


def audience_router(
    preview: Preview,
    kinds: Mapping[str, NotifierSpec],
    max_request_bytes: int,
    slices: TimeSlices,
) -> APIRouter:
    """Return the endpoint that previews an audience."""
    router = APIRouter(prefix="/v1/audience", tags=["people"])

    @router.post(
        "/preview",
        summary="Preview an audience",
        description="Nothing is sent or stored. It is resolved as for a notification that is sent "
        "now; people who are deactivated are in no group.",
        openapi_extra={"requestBody": body_of(AudienceIn)},
    )
    async def preview_audience(request: Request, _: PeopleManager) -> PreviewOut:
        wanted = await read_model(request, AudienceIn, max_request_bytes, slices)
        _require("kind", wanted.kind, kinds)
        kind = kinds[wanted.kind]
        for index, channel in enumerate(wanted.channels or ()):
            _require(f"channels/{index}", channel, kind.channels)
        priority = kind.priority
        if wanted.priority is not None:
            _require("priority", wanted.priority, Priority.__members__)
            priority = Priority[wanted.priority]
        texts = [text for text in (wanted.title, wanted.body) if text]
        text = "\n".join(texts) if texts else None
        found = await preview.of(kind, wanted.to, wanted.channels, priority, text)
        sample = [SampleOut(name=n, channels=c, addresses=a) for n, c, a in found.sample]
        return PreviewOut(
            recipients=found.recipients,
            channels=found.channels,
            left_out=found.left_out,
            sms_segments=found.sms_segments,
            sample=sample,
        )

    return router


def _require(field: str, value: str, known: Mapping[str, object]) -> None:
    """Raise `InvalidInput` if a value is none of the known ones."""
    if value not in known:
        detail = f"unknown value; expected one of {', '.join(known)}{did_you_mean(value, known)}"
        raise InvalidInput([FieldError(f"/{field}", "unknown_value", detail)])
