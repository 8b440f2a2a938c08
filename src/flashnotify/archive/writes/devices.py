"""Writes of devices."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, delete

from flashnotify.archive.models import Device as Table
from flashnotify.archive.reads.devices import DeviceReads
from flashnotify.archive.records import RegisteredDevice
from flashnotify.archive.writes.changes import Change, Stage, Statement, row_of, upsert

# The same subscription or topic again: its keys may be new, its id stays.
REGISTER_DEVICE = Statement(
    upsert(Table, ("type", "target"), replace=("p256dh", "auth", "label")),
    Stage.parents,
)
REMOVE_DEVICE = Statement(delete(Table).where(Table.id == bindparam("of")), Stage.endings)


class SqlDevices(DeviceReads):
    """Implements `Devices`."""

    async def register(self, device: RegisteredDevice) -> None:
        row = row_of(device.device) | {"label": device.label, "created_at": device.created_at}
        await self._writer.write((REGISTER_DEVICE, row))

    async def remove(self, id: UUID) -> None:
        await self._writer.write(remove_device(id))


def remove_device(id: UUID) -> Change:
    """Return the change that removes a device."""
    return REMOVE_DEVICE, {"of": id}
