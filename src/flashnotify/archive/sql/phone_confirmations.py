"""Codes that confirm phone numbers, in SQL."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, update

from flashnotify.archive.people_models import PhoneConfirmation as Table
from flashnotify.archive.people_records import PhoneConfirmation
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.changes import Stage, Statement, row_of, upsert

_all = select(Table.__table__)
STORE_CONFIRMATION = upsert(
    Table, Stage.children, replace=("code_hmac", "tries", "sent", "sent_at")
)
WITHDRAW_OTHERS = Statement(
    update(Table)
    .where(Table.user_id == bindparam("of"), Table.phone != bindparam("to"))
    .values(code_hmac=b""),
    Stage.changes,
)


class SqlPhoneConfirmations(Access):
    """Implements `PhoneConfirmations`."""

    async def of_user(self, user_id: UUID) -> Sequence[PhoneConfirmation]:
        query = _all.where(Table.user_id == user_id)
        return await self._reader.records(query, {}, _confirmation)

    async def of_phone(self, phone: str) -> Sequence[PhoneConfirmation]:
        return await self._reader.records(_all.where(Table.phone == phone), {}, _confirmation)

    async def store(self, confirmation: PhoneConfirmation) -> None:
        others = {"of": confirmation.user_id, "to": confirmation.phone}
        await self._writer.write(
            (STORE_CONFIRMATION, row_of(confirmation)), (WITHDRAW_OTHERS, others)
        )

    async def withdraw(self, user_id: UUID) -> None:
        await self._writer.write((WITHDRAW_OTHERS, {"of": user_id, "to": ""}))


def _confirmation(row: Row[Any]) -> PhoneConfirmation:
    return PhoneConfirmation(**row._mapping)
