"""`/v1/users/import` and `/v1/users/export`: people as CSV."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from pydantic_core import to_json

from flashnotify.api.auth import PeopleManager, actor_of
from flashnotify.api.bodies import media_type, read_body
from flashnotify.api.events import EventStream
from flashnotify.api.problems import FieldProblem, ProblemDetails, problem, problems
from flashnotify.errors import FlashNotifyError, UnsupportedMediaType
from flashnotify.identity.audit import Actor, Audit
from flashnotify.identity.principal import ADMIN
from flashnotify.people.export import People
from flashnotify.people.import_plan import Options
from flashnotify.people.imports import Import, Imports

_CSV = "text/csv"
_NDJSON = "application/x-ndjson"
_LINES = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class ImportReport(BaseModel):
    """What an import did, or would do: the number of people by what happened to them.

    `bad` counts the lines that were skipped, `errors` lists the first mistakes in them.
    """

    id: UUID
    dry_run: bool
    delimiter: str
    bom: bool
    lines: int
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    deactivated: int = 0
    kept: int = 0
    groups_created: int = 0
    bad: int = 0
    errors: list[FieldProblem] = []


class ImportProgress(BaseModel):
    """A line of the answer: how many lines are stored so far, at the end the report or an error."""

    done: int | None = None
    of: int | None = None
    report: ImportReport | None = None
    error: ProblemDetails | None = None


def user_imports_router(
    imports: Imports, people: People, audit: Audit, max_bytes: int
) -> APIRouter:
    """Return the endpoints that import and export people."""
    router = APIRouter(prefix="/v1/users", tags=["users"])

    @router.post(
        "/import",
        summary="Import people",
        description="The body is CSV in UTF-8, whose first line names the columns. The whole file "
        "is checked first: a bad line refuses it, unless it is skipped. The answer is NDJSON: how "
        "many lines are stored, again and again, and at last the report. Who leaves before that "
        "ends the import: what is stored stays, and the same file imported again goes on.",
        response_class=EventStream,
        responses={
            200: {"content": {_NDJSON: {"itemSchema": {"$ref": _ref(ImportProgress)}}}},
            **problems(400, 413, 415, 422),
        },
        openapi_extra={
            "requestBody": {"required": True, "content": {_CSV: {"schema": {"type": "string"}}}}
        },
    )
    async def import_users(
        request: Request,
        principal: PeopleManager,
        dry_run: Annotated[bool, Query(description="Only say what would be done.")] = False,
        skip_bad: Annotated[bool, Query(description="Import the lines that are good.")] = False,
        deactivate_missing: Annotated[
            bool, Query(description="Deactivate those whom an import had, and this one has not.")
        ] = False,
        create_groups: Annotated[bool, Query(description="Create groups that are new.")] = False,
        roles: Annotated[
            bool, Query(description="Let the file say who has which role. Only for admins.")
        ] = False,
    ) -> EventStream:
        if roles:
            principal.require(ADMIN)
        if media_type(request) != _CSV:
            raise UnsupportedMediaType("Send the file with `Content-Type: text/csv`.")
        options = Options(
            *(dry_run, skip_bad, deactivate_missing, create_groups, roles),
            trusted=principal.allows(ADMIN),
        )
        checked = await imports.check(await read_body(request, max_bytes), options)
        lines = _answer(imports, actor_of(request, principal), checked)
        return EventStream(lines, headers=_LINES, media_type=_NDJSON)

    @router.get(
        "/export",
        summary="Export people",
        description="All people as CSV, with the columns of an import. A cell that a spreadsheet "
        "would take for a formula begins with an apostrophe, which an import takes off.",
        response_class=EventStream,
        responses={200: {"content": {_CSV: {"schema": {"type": "string"}}}}},
    )
    async def export_users(request: Request, principal: PeopleManager) -> EventStream:
        await audit.record(actor_of(request, principal), "people.exported")
        headers = {**_LINES, "Content-Disposition": 'attachment; filename="people.csv"'}
        return EventStream(people.csv(), headers=headers, media_type=_CSV)

    return router


async def _answer(imports: Imports, actor: Actor, checked: Import) -> AsyncIterator[bytes]:
    total = len(checked.lines.good)
    try:
        if not checked.options.dry_run:
            async with aclosing(imports.store(actor, checked)) as progress:  # type: ignore[type-var]  # it is a generator
                async for done in progress:
                    yield to_json({"done": done, "of": total}) + b"\n"
        yield to_json({"report": _report(checked)}) + b"\n"
    except FlashNotifyError as error:
        yield to_json({"error": problem(error)}) + b"\n"


def _report(checked: Import) -> ImportReport:
    mistakes = checked.lines.mistakes
    return ImportReport(
        id=checked.id,
        dry_run=checked.options.dry_run,
        delimiter=checked.file.delimiter,
        bom=checked.file.bom,
        lines=checked.lines.number,
        **checked.counts,
        bad=mistakes.number,
        errors=[
            FieldProblem(pointer=e.pointer, code=e.code, detail=e.detail) for e in mistakes.listed
        ],
    )


def _ref(model: type[BaseModel]) -> str:
    return f"#/components/schemas/{model.__name__}"
