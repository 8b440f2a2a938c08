"""`/v1/outbox`: messages that `capture://` kept instead of sending them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from flashnotify.api.auth import Reader
from flashnotify.api.fields import Cursor, Limit, Page, Time, Wait, read_from
from flashnotify.api.long_answers import page_answer
from flashnotify.api.notifications import ended
from flashnotify.archive import records
from flashnotify.archive.people_ports import Directory
from flashnotify.archive.people_records import Person
from flashnotify.archive.ports import Notifications, Outbox
from flashnotify.control.cancel_and_retry import find_visible
from flashnotify.identity.principal import ADMIN, PEOPLE
from flashnotify.people.masked_addresses import masked, masked_in
from flashnotify.telemetry.long_polling import LongPolling
from flashnotify.time_slices import TimeSlices


class OutboxOut(BaseModel):
    """A message as its recipient would have received it.

    Without the scope `people`, the address of a person whom the audience names is masked.
    """

    id: UUID
    notification_id: UUID | None
    delivery_id: UUID
    channel: str
    to: Annotated[str, read_from("address")]
    subject: str | None
    text: str
    html: str | None
    captured_at: Time


def _masked(message: records.OutboxMessage, person: Person | None) -> records.OutboxMessage:
    """Return a message as those see it who may not look people up.

    Placeholders may have filled in any address of its person.
    """
    own = (person.email, person.phone) if person is not None else ()
    addresses = [address for address in (message.address, *own) if address]

    def hide(text: str | None) -> str | None:
        return reduce(masked_in, addresses, text)

    return replace(
        message,
        address=masked(message.address),
        subject=hide(message.subject),
        text=hide(message.text) or "",
        html=hide(message.html),
    )


def outbox_router(
    outbox: Outbox,
    notifications: Notifications,
    directory: Directory,
    long_polling: LongPolling,
    slices: TimeSlices,
    direct: Callable[[], Sequence[records.OutboxMessage]],
) -> APIRouter:
    """Return the endpoint `/v1/outbox`. `direct` returns the messages of no notification."""
    router = APIRouter(prefix="/v1/outbox", tags=["outbox"])

    @router.get(
        "",
        summary="List captured messages",
        description="Newest first: the messages of channels whose transport is `capture://`, "
        "which sends nothing. With `wait`, the answer comes once a message is there, or the "
        "notification is over. The first page has for admins also what belongs to no "
        "notification, such as links to reset a password and codes; a restart forgets it.",
        response_model=Page[OutboxOut],
    )
    async def list_outbox(
        principal: Reader,
        notification: Annotated[
            UUID | None, Query(description="The id of the notification.")
        ] = None,
        channel: str | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
        wait: Wait = 0,
    ) -> Response:
        if notification is not None and not principal.sees_all:
            await find_visible(notifications, principal, notification)
        # Those of one notification are looked up by it.
        sender = principal.only_sender if notification is None else None
        wanted = records.OutboxFilter(notification, channel, sender)

        async def look() -> tuple[bool, records.Page[records.OutboxMessage]]:
            # Asked first: when it is completed, all its messages are there.
            is_over = wait > 0 and notification is not None and await over(notification)
            first = notification is None and cursor is None
            kept = direct() if first and ADMIN in principal.scopes else ()
            secret = [each for each in kept if channel in (None, each.channel)][: limit - 1]
            page = await outbox.page(wanted, limit=limit - len(secret), cursor=cursor)
            items = sorted([*secret, *page.items], key=lambda kept: kept.id, reverse=True)
            return is_over, records.Page(items, page.next)

        _, page = await long_polling.until(
            principal.id, wait, notification, look, lambda found: found[0] or bool(found[1].items)
        )
        named = [each.user_id for each in page.items if each.user_id is not None]
        hide = bool(named) and not principal.allows(PEOPLE)
        people = await directory.people(named) if hide else {}
        kept = (
            _masked(each, people.get(each.user_id)) if hide and each.user_id is not None else each
            for each in page.items
        )
        items = (OutboxOut.model_validate(each, from_attributes=True) for each in kept)
        return await page_answer(items, page.next, slices)

    async def over(id: UUID) -> bool:
        found = await notifications.find(id, audience=False)
        return found is None or ended(found)

    return router
