"""`/v1/audit`: what was done by whom, and whether that record is whole."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, BeforeValidator

from flashnotify.api.auth import Admin
from flashnotify.api.fields import Limit, Page, Time, Timestamp
from flashnotify.archive.identity_records import AuditEntry, AuditFilter
from flashnotify.archive.records import Page as RecordPage
from flashnotify.identity.audit import Audit, Verification

Hex = Annotated[str, BeforeValidator(bytes.hex)]


class AuditEntryOut(BaseModel):
    """What `actor` did to `target`, from a network `address`. `hash` is also that of all before."""

    number: int
    at: Time
    actor: str
    address: str | None
    action: str
    target: str | None
    details: dict[str, Any]
    hash: Hex


class VerificationOut(BaseModel):
    """What was found up to the entry `number` with its `hash`.

    `broken` are the numbers of entries that were changed, and of those before which one is
    missing. `next`: verify those after it too. `expected` answers `expect`.
    """

    number: int
    hash: Hex
    broken: list[int]
    next: int | None
    expected: bool | None


def audit_router(audit: Audit) -> APIRouter:
    """Return the endpoints of `/v1/audit`."""
    router = APIRouter(prefix="/v1/audit", tags=["audit"])

    @router.get(
        "",
        summary="List what was done by whom",
        description="Newest first: changes of users, keys and roles, every sign-in and failure, "
        "what was cancelled and retried. A notification itself tells who sent it.",
        response_model=Page[AuditEntryOut],
    )
    async def list_audit(
        _: Admin,
        actor: Annotated[
            str | None, Query(description="`user:<id>`, the id of a key, or `local`.")
        ] = None,
        action: Annotated[
            str | None, Query(description="`key.created`, or `key.` for all about keys.")
        ] = None,
        target: Annotated[str | None, Query(description="Such as `key:<id>`.")] = None,
        since: Annotated[Timestamp | None, Query(description="Done at or after.")] = None,
        until: Annotated[Timestamp | None, Query(description="Done before.")] = None,
        limit: Limit = 50,
        cursor: Annotated[
            str | None,
            Query(description="The `next` of the previous page.", pattern=r"^[0-9]{1,18}$"),
        ] = None,
    ) -> RecordPage[AuditEntry]:
        wanted = AuditFilter(actor, action, target, since, until)
        return await audit.log.page(wanted, limit=limit, cursor=cursor)

    @router.get(
        "/verification",
        summary="Verify the audit log",
        description="Each entry has a hash of itself and the one before, so that what was "
        "changed, removed or moved shows. Keep `number` and `hash` elsewhere, and give them later "
        "as `expect`: that the newest entries were removed shows in no other way.",
        response_model=VerificationOut,
    )
    async def verify_audit(
        _: Admin,
        after: Annotated[
            int, Query(ge=0, le=2**62, description="The `next` of the previous answer.")
        ] = 0,
        expect: Annotated[
            str | None,
            Query(
                pattern=r"^[0-9]{1,18}:[0-9a-f]{64}$",
                description="The number and hash of an earlier verification: `NUMBER:HASH`.",
            ),
        ] = None,
    ) -> dict[str, Any]:
        found = await audit.verify(after)
        return _shown(found) | {"expected": await _is_there(expect)}

    async def _is_there(expect: str | None) -> bool | None:
        if expect is None:
            return None
        number, _, kept = expect.partition(":")
        return await audit.has(int(number), bytes.fromhex(kept))

    return router


def _shown(found: Verification) -> dict[str, Any]:
    following = None if found.complete else found.number
    return {
        "number": found.number,
        "hash": found.hash,
        "broken": found.broken,
        "next": following,
    }
