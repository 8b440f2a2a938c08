"""`/v1/notifications/batch`: many notifications in one request."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel
from starlette.responses import Response

from flashnotify.api.auth import Sender
from flashnotify.api.bodies import JSON, media_type, read_body
from flashnotify.api.notifications import IdempotencyHeader
from flashnotify.api.problems import MEDIA_TYPE, FieldProblem, ProblemDetails, problem
from flashnotify.errors import AllRejected, Unavailable, UnsupportedMediaType
from flashnotify.intake.bulk import Bulk, Result
from flashnotify.intake.idempotency import Accepted
from flashnotify.intake.json_documents import ONE_PER_LINE, read_array, read_lines
from flashnotify.time_slices import TimeSlices

_NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")


class ResultOut(BaseModel):
    """The result for the notification at `index`, from 0: its id or its error."""

    index: int
    id: UUID | None = None
    warnings: list[FieldProblem] | None = None
    error: ProblemDetails | None = None


class BatchOut(BaseModel):
    """How many notifications are on disk, how many were rejected, and the result of each."""

    accepted: int
    rejected: int
    results: list[ResultOut]


def batch_router(bulk: Bulk, max_bytes: int, max_bytes_of_one: int) -> APIRouter:
    """Return the endpoint `/v1/notifications/batch`."""
    router = APIRouter(prefix="/v1/notifications/batch", tags=["notifications"])

    @router.post(
        "",
        status_code=202,
        response_model=BatchOut,
        summary="Send many notifications",
        description="The body is a JSON array or NDJSON. Each notification is accepted or rejected "
        "by itself: see `results`. If all are rejected, the answer is a problem (422) that has "
        "the same `accepted`, `rejected` and `results`.",
    )
    async def send_batch(
        request: Request, principal: Sender, idempotency_key: IdempotencyHeader = None
    ) -> Response:
        given = media_type(request)
        if given not in (*JSON, *_NDJSON):
            raise UnsupportedMediaType(
                f"The body must be a JSON array (`application/json`) or lines. {ONE_PER_LINE}"
            )
        read = read_lines if given in _NDJSON else read_array
        documents = read(await read_body(request, max_bytes), max_bytes_of_one)
        results = await bulk.accept(principal, documents, idempotency_key)
        if results and not any(isinstance(each.outcome, Accepted) for each in results):
            refused = problem(_all_rejected(results))
            refused["request_id"] = request.scope["state"]["request_id"]
            return Response(await _encode(results, refused), 422, media_type=MEDIA_TYPE)
        return Response(await _encode(results, {}), 202, media_type="application/json")

    @router.get("", include_in_schema=False)
    async def refuse() -> None:
        # Without this route, "batch" would be read as the id of a notification.
        raise HTTPException(405)

    return router


def _all_rejected(results: Sequence[Result]) -> AllRejected:
    """Return the error for a batch without an accepted notification.

    Raise `Unavailable` if that is why: the same batch may be accepted later.
    """
    for result in results:
        if isinstance(result.outcome, Unavailable):
            raise result.outcome
    return AllRejected("Every notification was rejected; `results` has the error of each.")


async def _encode(results: Sequence[Result], more: Mapping[str, Any]) -> str:
    """Return a `BatchOut` with `more` members as JSON.

    It is made in slices so that the event loop stays responsive.
    """
    accepted = sum(isinstance(result.outcome, Accepted) for result in results)
    head = {**more, "accepted": accepted, "rejected": len(results) - accepted}
    parts: list[str] = []
    slices = TimeSlices()
    for result in results:
        await slices.step()
        parts.append(json.dumps(_result(result)))
    return f'{json.dumps(head)[:-1]}, "results": [{", ".join(parts)}]}}'


def _result(result: Result) -> dict[str, Any]:
    if isinstance(result.outcome, Accepted):
        warnings = [*map(asdict, result.outcome.warnings)]
        accepted = {"index": result.index, "id": str(result.outcome.id)}
        return accepted | {"warnings": warnings} if warnings else accepted
    return {"index": result.index, "error": problem(result.outcome)}
