"""Types that requests and responses share: pages, times, names of priorities."""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import AliasPath, BaseModel, BeforeValidator, Field, PlainValidator, WithJsonSchema

from flashnotify.domain import Priority, milliseconds, moment
from flashnotify.meta import descriptors
from flashnotify.telemetry.long_polling import MAX_WAIT

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=200, description="Maximum number of items on this page.")]
Cursor = Annotated[
    str | None,
    Query(
        description="The `next` of the previous page.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]{22}$"},
    ),
]

Wait = Annotated[
    float,
    Query(
        ge=0,
        le=MAX_WAIT,
        description="Seconds to wait for something to show. The answer comes when there is.",
    ),
]


class Page(BaseModel, Generic[T]):
    """One page of a list. `next` is the cursor of the next page; null on the last one.

    With filters, a page may have fewer items than its limit, or none, and still a next one.
    """

    items: list[T]
    next: str | None


def _milliseconds(value: object) -> int:
    return milliseconds(descriptors.Moment().validate(value))


# A time in a request, in ISO 8601 with an offset, as milliseconds since the epoch. Pydantic's own
# datetime would also take numbers.
Timestamp = Annotated[
    int,
    PlainValidator(_milliseconds, json_schema_input_type=str),
    WithJsonSchema(descriptors.Moment().schema()),
]


def _from_record(value: Any) -> Any:
    """Convert a record's value: milliseconds since the epoch to a time, a priority to its name."""
    if isinstance(value, Priority):
        return value.name
    return moment(value) if isinstance(value, int) else value


def read_from(*steps: str) -> Any:
    """Return the declaration of a response field that FastAPI reads from an attribute's path."""
    return Field(validation_alias=AliasPath(*steps))


# Fields of responses that FastAPI reads from records of the archive.
Time = Annotated[datetime, BeforeValidator(_from_record)]
PriorityName = Annotated[str, BeforeValidator(_from_record)]
