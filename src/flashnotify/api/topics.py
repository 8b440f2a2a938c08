"""`/v1/me/topics`: groups that people join and leave themselves."""

from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from flashnotify.api.auth import AnyKey, actor_of, own_id
from flashnotify.api.bodies import body_of, read_model
from flashnotify.api.fields import Cursor, Limit, Page
from flashnotify.api.problems import problems
from flashnotify.archive.people_records import Group, Membership
from flashnotify.errors import FieldError, InvalidInput
from flashnotify.meta.suggestions import did_you_mean
from flashnotify.people.topics import Topics
from flashnotify.time_slices import TimeSlices

_Slug = Annotated[str, Path(max_length=100, description="The slug of a topic.")]


class TopicIn(BaseModel):
    """How one wants a topic."""

    model_config = ConfigDict(extra="forbid")

    channels: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=20,
        description="The channels on which to get it; null: those of its kind.",
        examples=[["email"]],
    )


class TopicOut(BaseModel):
    """A topic: a group that is joined and left freely. `channels`: those on which one wants it."""

    slug: str
    name: str
    description: str | None
    kind: str | None
    joined: bool
    channels: list[str] | None


def topics_router(
    topics: Topics, channels: Collection[str], max_request_bytes: int, slices: TimeSlices
) -> APIRouter:
    """Return the endpoints of `/v1/me/topics`. `channels` are all that there are."""
    router = APIRouter(prefix="/v1/me/topics", tags=["people"])

    @router.get(
        "",
        summary="List topics",
        responses=problems(403),
        description="All that can be joined, newest first, and whether you have.",
    )
    async def list_topics(
        principal: AnyKey, limit: Limit = 50, cursor: Cursor = None
    ) -> Page[TopicOut]:
        id = own_id(principal)
        page = await topics.page(limit=limit, cursor=cursor)
        joined = await topics.joined(id)
        return Page(items=[_shown(t, joined.get(t.id)) for t in page.items], next=page.next)

    @router.put(
        "/{slug}",
        summary="Join a topic",
        description="Or change the channels on which you get it.",
        openapi_extra={"requestBody": body_of(TopicIn)},
    )
    async def join_topic(slug: _Slug, request: Request, principal: AnyKey) -> TopicOut:
        id = own_id(principal)
        wanted = await read_model(request, TopicIn, max_request_bytes, slices)
        names = None if wanted.channels is None else _known(wanted.channels, channels)
        topic, joined = await topics.join(actor_of(request, principal), slug, id, names)
        return _shown(topic, joined)

    @router.delete(
        "/{slug}",
        status_code=204,
        summary="Leave a topic",
        description="Nothing that is sent to it reaches you any more, unless you are named.",
    )
    async def leave_topic(slug: _Slug, request: Request, principal: AnyKey) -> None:
        await topics.leave(actor_of(request, principal), slug, own_id(principal))

    return router


def _known(wanted: Collection[str], channels: Collection[str]) -> frozenset[str]:
    errors = [
        FieldError(
            f"/channels/{index}",
            "unknown_channel",
            f"unknown channel; expected one of {', '.join(channels)}{did_you_mean(name, channels)}",
        )
        for index, name in enumerate(wanted)
        if name not in channels
    ]
    if errors:
        raise InvalidInput(errors)
    return frozenset(wanted)


def _shown(topic: Group, joined: Membership | None) -> TopicOut:
    chosen = joined.channels if joined is not None else None
    return TopicOut(
        slug=topic.slug,
        name=topic.name,
        description=topic.description,
        kind=topic.kind,
        joined=joined is not None,
        channels=None if chosen is None else sorted(chosen),
    )
