"""`/v1/me/phone`: people give their phone number, and confirm it by a code."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from flashnotify.api.auth import AnyKey, actor_of, own_id
from flashnotify.api.bodies import body_of, read_model
from flashnotify.api.problems import problems
from flashnotify.meta.phone import Phone
from flashnotify.people.phone_confirmation import (
    CODE_MINUTES,
    DIGITS,
    TRIES,
    PhoneConfirmations,
)
from flashnotify.time_slices import TimeSlices


class PhoneIn(BaseModel):
    """A phone number that a code is to be sent to."""

    model_config = ConfigDict(extra="forbid")

    phone: Annotated[str, Phone(example="+33612345678")]


class PhoneCodeIn(BaseModel):
    """The code that was sent to a phone number."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(pattern=rf"^[0-9]{{{DIGITS}}}$", examples=["123456"])


class PhoneCodeOut(BaseModel):
    """A code is on its way, and valid for so many minutes."""

    minutes: int


PHONE_REQUESTS = (PhoneIn, PhoneCodeIn)


def phone_router(
    phones: PhoneConfirmations, max_request_bytes: int, slices: TimeSlices
) -> APIRouter:
    """Return the endpoints of `/v1/me/phone`."""
    router = APIRouter(prefix="/v1/me/phone", tags=["people"], responses=problems(403))

    @router.put(
        "",
        status_code=202,
        summary="Set your phone number",
        description="Sends a code to it by SMS; the number is yours once you send the code back. "
        f"The code is valid for {CODE_MINUTES} minutes and {TRIES} tries.",
        openapi_extra={"requestBody": body_of(PhoneIn)},
        responses=problems(503),
    )
    async def set_phone(request: Request, principal: AnyKey) -> PhoneCodeOut:
        id = own_id(principal)
        wanted = await read_model(request, PhoneIn, max_request_bytes, slices)
        await phones.request(id, wanted.phone)
        return PhoneCodeOut(minutes=CODE_MINUTES)

    @router.post(
        "/confirm",
        status_code=204,
        summary="Confirm your phone number",
        description="Gives you the number that the code was sent to.",
        openapi_extra={"requestBody": body_of(PhoneCodeIn)},
    )
    async def confirm_phone(request: Request, principal: AnyKey) -> None:
        id = own_id(principal)
        given = await read_model(request, PhoneCodeIn, max_request_bytes, slices)
        await phones.confirm(actor_of(request, principal), id, given.code)

    @router.delete(
        "",
        status_code=204,
        summary="Remove your phone number",
        description="Nothing is sent to it any more, unless it is named itself.",
    )
    async def remove_phone(request: Request, principal: AnyKey) -> None:
        await phones.remove(actor_of(request, principal), own_id(principal))

    return router
