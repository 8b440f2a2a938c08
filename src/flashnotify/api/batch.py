"""`/v1/notifications/batch`: many notifications in one request."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.responses import Response

from flashnotify.api.auth import Sender
from flashnotify.api.bodies import JSON, media_type, read_body
from flashnotify.api.long_answers import LongAnswer
from flashnotify.api.problems import MEDIA_TYPE, FieldProblem, ProblemDetails, problem
from flashnotify.api.sending_route import IdempotencyHeader, SendingRoute
from flashnotify.errors import AllRejected, FlashNotifyError, UnsupportedMediaType
from flashnotify.intake.bulk import Bulk, Result
from flashnotify.intake.idempotency import Accepted
from flashnotify.intake.json_documents import ONE_PER_LINE, read_array, read_lines

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

    async def send_batch(
        request: Request, principal: Sender, idempotency_key: IdempotencyHeader = None
    ) -> Response:
        given = media_type(request)
        if given not in (*JSON, *_NDJSON):
            raise UnsupportedMediaType(
                f"The body must be a JSON array (`application/json`) or lines. {ONE_PER_LINE}"
            )
        read = read_lines if given in _NDJSON else read_array
        body = await read_body(request, max_bytes)
        documents = read(body, max_bytes_of_one, bulk.slices)
        found = _Results()
        async for result in bulk.accept(principal, documents, idempotency_key):
            found.add(result)
        if found.rejected and not found.accepted:
            refused = problem(found.all_rejected())
            refused["request_id"] = request.scope["state"]["request_id"]
            return LongAnswer(found.texts(refused), bulk.slices, 422, MEDIA_TYPE)
        return LongAnswer(found.texts({}), bulk.slices, 202)

    router.add_api_route(
        "",
        send_batch,
        methods=["POST"],
        route_class_override=SendingRoute,
        status_code=202,
        response_model=BatchOut,
        summary="Send many notifications",
        description="The body is a JSON array or NDJSON. Each notification is accepted or rejected "
        "by itself: see `results`. If all are rejected, the answer is a problem (422) that has "
        "the same `accepted`, `rejected` and `results`.",
    )

    @router.get("", include_in_schema=False)
    async def refuse() -> None:
        # Without this route, "batch" would be read as the id of a notification.
        raise HTTPException(405)

    return router


class _Results:
    """The results of a batch, each encoded as it comes: thousands of errors fill the memory."""

    def __init__(self) -> None:
        self.accepted = self.rejected = 0
        self._encoded: list[bytes] = []
        self._failure: FlashNotifyError | None = None

    def add(self, result: Result) -> None:
        if isinstance(result.outcome, Accepted):
            self.accepted += 1
        else:
            self.rejected += 1
            if result.outcome.status >= 500:
                self._failure = self._failure or result.outcome
        comma = b"," if self._encoded else b""
        self._encoded.append(comma + to_json(_result(result)))

    def all_rejected(self) -> AllRejected:
        """Return the error for a batch without an accepted notification.

        Raise `Unavailable`, or an unexpected error, if that is why: the same batch may be accepted
        later.
        """
        if self._failure is not None:
            raise self._failure
        return AllRejected("Every notification was rejected; `results` has the error of each.")

    def texts(self, more: Mapping[str, Any]) -> Sequence[bytes]:
        """Return a `BatchOut` with `more` members as JSON, in parts."""
        head = to_json({**more, "accepted": self.accepted, "rejected": self.rejected})
        return [head[:-1] + b',"results":[', *self._encoded, b"]}"]


def _result(result: Result) -> dict[str, Any]:
    if isinstance(result.outcome, Accepted):
        warnings = [*map(asdict, result.outcome.warnings)]
        accepted = {"index": result.index, "id": result.outcome.id}
        return accepted | {"warnings": warnings} if warnings else accepted
    return {"index": result.index, "error": problem(result.outcome)}
