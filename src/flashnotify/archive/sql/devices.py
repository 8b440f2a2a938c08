"""Devices, in SQL."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, select

from flashnotify.archive.models import Device as Table
from flashnotify.archive.records import Page, RegisteredDevice
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.changes import Change, Stage, Statement, row_of, upsert
from flashnotify.archive.sql.lists import Span
from flashnotify.domain import Device, DeviceType

_all = select(Table.__table__)
# The same subscription or topic again: its keys may be new, its id stays.
REGISTER_DEVICE = upsert(
    Table, Stage.parents, key=("type", "target"), replace=("p256dh", "auth", "label", "user_id")
)
REMOVE_DEVICE = Statement(delete(Table).where(Table.id == bindparam("of")), Stage.endings)


class SqlDevices(Access):
    """Implements `Devices`."""

    async def find(self, id: UUID) -> RegisteredDevice | None:
        return await self._lists.one(_all.where(Table.id == id), {}, _registered)

    async def find_target(self, type: str, target: str) -> RegisteredDevice | None:
        query = _all.where(Table.type == type, Table.target == target)
        return await self._lists.one(query, {}, _registered)

    async def find_all(self, ids: Collection[UUID]) -> Mapping[UUID, Device]:
        query = _all.where(Table.id.in_(ids))
        return {found.id: found for found in await self._reader.records(query, {}, _device)}

    async def page(
        self, *, limit: int, cursor: str | None, user_id: UUID | None = None
    ) -> Page[RegisteredDevice]:
        among = select(Table.id)
        if user_id is not None:
            among = among.where(Table.user_id == user_id)
        return await self._lists.merged_page(_all, [among], limit, Span.after(cursor), _registered)

    async def register(self, device: RegisteredDevice) -> None:
        row = row_of(device.device) | {
            "label": device.label,
            "created_at": device.created_at,
            "user_id": device.user_id,
        }
        await self._writer.write((REGISTER_DEVICE, row))

    async def remove(self, id: UUID) -> None:
        await self._writer.write(remove_device(id))


def _device(row: Row[Any]) -> Device:
    return Device(row.id, DeviceType(row.type), row.target, row.p256dh, row.auth)


def _registered(row: Row[Any]) -> RegisteredDevice:
    return RegisteredDevice(_device(row), row.label, row.created_at, row.user_id)


def remove_device(id: UUID) -> Change:
    """Return the change that removes a device."""
    return REMOVE_DEVICE, {"of": id}
