"""`/v1/notifications/batch`: many notifications in one request."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel
from starlette.responses import Response

from flashnotify.api.notifications import IdempotencyHeader
from flashnotify.api.problems import FaultyField, problem, problems
from flashnotify.api.requests import JSON, Authenticate, media_type, read_body
from flashnotify.errors import UnsupportedMediaType
from flashnotify.identity.principal import Caller
from flashnotify.intake.bulk import Batch, Result, read_array, read_lines
from flashnotify.intake.submission import Accepted

# Results that are written before others get the event loop.
_SLICE = 200
_LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")


class RejectionOut(BaseModel):
    """Why one notification of a batch was not accepted."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FaultyField] | None = None


class ResultOut(BaseModel):
    """What became of the notification at `index`, from 0: its id, or its error."""

    index: int
    id: UUID | None = None
    error: RejectionOut | None = None


class BatchOut(BaseModel):
    """What is on disk, and what was rejected."""

    accepted: int
    rejected: int
    results: list[ResultOut]


def batch_router(
    batch: Batch, authenticate: Authenticate, max_bytes: int, max_bytes_of_one: int
) -> APIRouter:
    """The endpoint `/v1/notifications/batch`."""
    router = APIRouter(prefix="/v1/notifications/batch", tags=["notifications"])

    @router.post(
        "",
        status_code=202,
        response_model=BatchOut,
        summary="Accept many notifications: a JSON array, or NDJSON",
        responses=problems(400, 401, 403, 408, 413, 415, 422, 429, 503),
    )
    async def accept(
        request: Request,
        caller: Annotated[Caller, Depends(authenticate)],
        idempotency_key: IdempotencyHeader = None,
    ) -> Response:
        kind = media_type(request)
        if kind not in (*JSON, *_LINES):
            raise UnsupportedMediaType(
                "Send a JSON array with `Content-Type: application/json`, or one JSON object a "
                "line with `Content-Type: application/x-ndjson`."
            )
        body = await read_body(request, max_bytes)
        documents = (
            read_lines(body, max_bytes_of_one)
            if kind in _LINES
            else read_array(body, max_bytes_of_one)
        )
        results = await batch.accept(caller, documents, idempotency_key)
        return Response(await _answer(results), 202, media_type="application/json")

    @router.get("", include_in_schema=False)
    async def refuse() -> None:
        # Else "batch" would be taken for the id of a notification.
        raise HTTPException(405)

    return router


async def _answer(results: Sequence[Result]) -> str:
    """The JSON of a `BatchOut`, made in slices so that others get the event loop."""
    accepted = sum(isinstance(result.outcome, Accepted) for result in results)
    parts: list[str] = []
    for number, result in enumerate(results, 1):
        parts.append(json.dumps(_result(result)))
        if number % _SLICE == 0:
            await asyncio.sleep(0)
    return (
        f'{{"accepted": {accepted}, "rejected": {len(results) - accepted}, '
        f'"results": [{", ".join(parts)}]}}'
    )


def _result(result: Result) -> dict[str, Any]:
    if isinstance(result.outcome, Accepted):
        return {"index": result.index, "id": str(result.outcome.id)}
    return {"index": result.index, "error": problem(result.outcome)}
