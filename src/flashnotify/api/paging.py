"""Lists by the page: `?limit=&cursor=` → `{items, next}`, newest first."""

from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=200, description="Maximum number of items on this page.")]
Cursor = Annotated[
    str | None,
    Query(
        description="The `next` of the previous page.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]{22}$"},
    ),
]


class Page(BaseModel, Generic[T]):
    """One page of a list. `next` is the cursor of the next page; null on the last one."""

    items: list[T]
    next: str | None
