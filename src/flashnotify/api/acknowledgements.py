"""`/v1/notifications/{id}/acknowledgements`: who has read it; acknowledge it, remind the others."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from flashnotify.api.auth import AnyKey, Reader, Sender
from flashnotify.api.fields import Cursor, Limit, Time
from flashnotify.api.json_answer import JsonAnswer
from flashnotify.api.notifications import ACCEPTED, accepted_response
from flashnotify.api.problems import problems
from flashnotify.api.sending_route import IdempotencyHeader
from flashnotify.archive.people_records import AskedRecipient, Person
from flashnotify.archive.ports import Notifications
from flashnotify.control.cancel_and_retry import (
    find_controlled,
    find_notification,
    find_visible,
)
from flashnotify.domain import USER
from flashnotify.errors import NotFound
from flashnotify.identity.principal import PEOPLE
from flashnotify.intake.reminders import Reminders
from flashnotify.people.acknowledgements import Acknowledgements, require_asking
from flashnotify.people.masked_addresses import masked

# The channel of those who acknowledge here, and not by a link.
_HERE = "in_app"


class AcknowledgementStatus(StrEnum):
    """Whether a recipient has acknowledged."""

    acknowledged = "acknowledged"
    silent = "silent"


class RecipientOut(BaseModel):
    """A recipient: `user:<id>`, or an address.

    Of what others sent, the address is masked without the scope `people`. `name` is there only
    with that scope. `channel` had the message that was acknowledged.
    """

    recipient: str
    name: str | None
    status: AcknowledgementStatus
    acknowledged_at: Time | None
    channel: str | None


class AcknowledgementsOut(BaseModel):
    """How many of a notification's recipients have acknowledged it, how many not, and who.

    A page may have fewer items than its limit, or none, and still a `next` one.
    """

    recipients: int
    acknowledged: int
    silent: int
    items: list[RecipientOut]
    next: str | None


class AcknowledgedOut(BaseModel):
    """When a person first acknowledged a notification."""

    acknowledged_at: Time


def acknowledgements_router(
    acknowledgements: Acknowledgements, reminders: Reminders, notifications: Notifications
) -> APIRouter:
    """Return the endpoints about the acknowledgements of a notification."""
    router = APIRouter(
        prefix="/v1/notifications/{id}", tags=["notifications"], responses=problems(409)
    )

    @router.get(
        "/acknowledgements",
        summary="List who has acknowledged",
        description="The recipients of a notification that asked for it, the last ones first, and "
        "how many have acknowledged it. About a reminder, it answers for what that reminds of.",
        response_model=AcknowledgementsOut,
    )
    async def list_acknowledgements(
        id: UUID,
        principal: Reader,
        status: Annotated[
            AcknowledgementStatus | None, Query(description="Only those who have, or have not.")
        ] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        found = await find_visible(notifications, principal, id)
        require_asking(found)
        if found.reminds_of is not None:
            found = await find_notification(notifications, found.reminds_of)
        stored = acknowledgements.stored
        acknowledged = None if status is None else status is AcknowledgementStatus.acknowledged
        page = await stored.page(
            *(found.id, acknowledgements.schemes),
            acknowledged=acknowledged,
            limit=limit,
            cursor=cursor,
        )
        people: Mapping[UUID, Person] = {}
        if principal.allows(PEOPLE):
            people = await acknowledgements.directory.people(_ids(page.items))
        shown = principal.allows(PEOPLE) or principal.id == found.sender
        number = await stored.count(found.id)
        return {
            "recipients": found.recipients,
            "acknowledged": number,
            "silent": max(found.recipients - number, 0),
            "items": [_out(each, people, show=shown) for each in page.items],
            "next": page.next,
        }

    @router.post(
        "/acknowledge",
        summary="Acknowledge a notification",
        description="For people who are signed in and got it, as the link in its messages. The "
        "first time counts.",
        response_model=AcknowledgedOut,
    )
    async def acknowledge_notification(id: UUID, principal: AnyKey) -> dict[str, Any]:
        scheme, _, user_id = principal.id.partition(":")
        if scheme != USER:
            raise NotFound("No notification to you has this id.")
        found = await acknowledgements.acknowledge_as(id, UUID(user_id), _HERE)
        return {"acknowledged_at": found.at}

    @router.post(
        "/remind",
        summary="Remind who has not acknowledged",
        description="Sends it again, as a new notification whose title says so, to those who have "
        "not acknowledged it by then. Only who sent it, or an admin, may do it.",
        **ACCEPTED,
    )
    async def remind_silent(
        id: UUID, principal: Sender, request: Request, idempotency_key: IdempotencyHeader = None
    ) -> JsonAnswer:
        found = await find_controlled(notifications, principal, id)
        return accepted_response(await reminders.remind(principal, found, idempotency_key))

    return router


def _ids(recipients: Sequence[AskedRecipient]) -> list[UUID]:
    return [each.user_id for each in recipients if each.user_id is not None]


def _out(asked: AskedRecipient, people: Mapping[UUID, Person], *, show: bool) -> dict[str, Any]:
    person = people.get(asked.user_id) if asked.user_id is not None else None
    done = asked.acknowledged_at is not None
    scheme, _, address = asked.recipient.partition(":")
    hidden = asked.user_id is None and not show
    return {
        "recipient": f"{scheme}:{masked(address)}" if hidden else asked.recipient,
        "name": person.name if person is not None else None,
        "status": AcknowledgementStatus.acknowledged if done else AcknowledgementStatus.silent,
        "acknowledged_at": asked.acknowledged_at,
        "channel": asked.channel,
    }
