"""An archive in memory for unit tests. Implements `flashnotify.archive.ports`."""

from __future__ import annotations

from uuid import UUID

from flashnotify.archive import ports
from flashnotify.archive.identity_ports import AuditLog
from flashnotify.archive.people_ports import Directory, RefusedAddresses
from flashnotify.archive.statistics_port import Statistics
from tests.support.memory_deliveries import MemoryDeliveries
from tests.support.memory_notifications import MemoryJobs, MemoryNotifications
from tests.support.memory_people import MemoryDirectory, MemoryRefusedAddresses
from tests.support.memory_registers import (
    MemoryApiKeys,
    MemoryAuditLog,
    MemoryDevices,
    MemoryEvents,
    MemoryMaintenance,
    MemoryOutbox,
    MemoryStatistics,
)
from tests.support.memory_state import State, refusal


class MemoryArchive(ports.Archive):
    """An archive in memory.

    `writes` lists the writes so far by port and verb, such as `deliveries.record`; refused ones
    are not among them. `state` is what is stored, for tests to look at or to change.
    """

    overloaded = False

    def __init__(self) -> None:
        self.state = State()
        self.notifications: ports.Notifications = MemoryNotifications(self.state)
        self.deliveries: ports.Deliveries = MemoryDeliveries(self.state)
        self.jobs: ports.Jobs = MemoryJobs(self.state)
        self.outbox: ports.Outbox = MemoryOutbox(self.state)
        self.devices: ports.Devices = MemoryDevices(self.state)
        self.api_keys: ports.ApiKeys = MemoryApiKeys(self.state)
        self.events: ports.Events = MemoryEvents(self.state)
        self.statistics: Statistics = MemoryStatistics(self.state)
        self.directory: Directory = MemoryDirectory(self.state)
        self.refused_addresses: RefusedAddresses = MemoryRefusedAddresses(self.state)
        self.audit: AuditLog = MemoryAuditLog(self.state)
        self.maintenance: ports.Maintenance = MemoryMaintenance(self.state)

    @property
    def writes(self) -> list[str]:
        """Return the writes so far."""
        return self.state.writes

    def refuse_write(self, error: Exception | None = None) -> None:
        """Refuse one more of the next writes, with `error` or else `Unavailable`."""
        self.state.write_refusals.append(error or refusal())

    def refuse_read(self, error: Exception | None = None) -> None:
        """Refuse one more of the next reads, with `error` or else `Unavailable`."""
        self.state.read_refusals.append(error or refusal())

    def damage(self, id: UUID) -> None:
        """Make the JSON of a notification unreadable."""
        self.state.damaged.add(id)

    async def room(self) -> None:
        """Have room always."""

    async def ping(self) -> None:
        """Read nothing."""
        await self.state.read()
