"""`/v1/explain`: why a person did or did not get a notification."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from flashnotify.api.auth import AnyKey, own_id
from flashnotify.api.deliveries import UserName
from flashnotify.api.fields import Time, read_from
from flashnotify.api.problems import problems
from flashnotify.archive.people_ports import Directory
from flashnotify.archive.ports import Notifications
from flashnotify.control.cancel_and_retry import find_notification, find_visible
from flashnotify.control.explain import Explain
from flashnotify.control.explanation import Code, Explanation
from flashnotify.identity.principal import PEOPLE, Principal
from flashnotify.identity.roles import user_id
from flashnotify.people.lookup import find_id


class StepOut(BaseModel):
    """One step, in the order in which they happened. `at`: when, or until when it waits."""

    code: Code
    text: str
    at: Time | None
    channel: Annotated[str | None, Field(exclude_if=lambda value: value is None)]
    delivery: Annotated[UUID | None, Field(exclude_if=lambda value: value is None)]


class ExplanationOut(BaseModel):
    """The answer in a sentence, the code of the step that it stands on, and all steps."""

    notification: Annotated[UUID, read_from("notification_id")]
    user: Annotated[UUID, read_from("user_id")]
    answer: str
    code: Annotated[Code, read_from("deciding", "code")]
    steps: list[StepOut]


def explain_router(
    explain: Explain, notifications: Notifications, directory: Directory
) -> APIRouter:
    """Return the endpoint `/v1/explain`."""
    router = APIRouter(prefix="/v1/explain", tags=["notifications"])

    @router.get(
        "",
        summary="Explain why a person got a notification, or not",
        responses=problems(403, 404),
        description="In steps, each with a code for programs and words for people. About others, "
        "it takes the scope `people`, for notifications that one may see; everybody may ask about "
        "what was sent to themself, which is what it is about without `user`.",
        response_model=ExplanationOut,
    )
    async def get_explanation(
        principal: AnyKey,
        notification: Annotated[UUID, Query(description="The id of the notification.")],
        user: UserName = None,
    ) -> Explanation:
        own = await own_of(principal, user)
        if own is None:
            principal.require(PEOPLE)
            found = await find_visible(notifications, principal, notification, audience=True)
            person = own_id(principal) if user is None else await find_id(directory, user, "/user")
            return await explain.explain(found, person)
        found = await find_notification(notifications, notification, audience=True)
        explanation = await explain.explain(found, own)
        if explanation.deciding.code in _NOTHING_TO_DO_WITH_IT:
            # It may say so only to those who may see the notification.
            await find_visible(notifications, principal, notification)
        return explanation

    async def own_of(principal: Principal, name: str | None) -> UUID | None:
        """Return the id of a person who asks about themself."""
        own = user_id(principal)
        if own is None or name in (None, str(own)):
            return own
        person = (await directory.people([own])).get(own)
        return own if person is not None and person.external_id == name else None

    return router


_NOTHING_TO_DO_WITH_IT = {Code.not_in_audience, Code.excluded, Code.joined_later, Code.no_trace}
