"""The archive in a SQL database."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from flashnotify.archive.reads.api_keys import ApiKeyReads
from flashnotify.archive.reads.deliveries import DeliveryReads
from flashnotify.archive.reads.devices import DeviceReads
from flashnotify.archive.reads.events import EventReads
from flashnotify.archive.reads.jobs import JobReads
from flashnotify.archive.reads.notifications import NotificationReads
from flashnotify.archive.reads.outbox import OutboxReads
from flashnotify.archive.reads.reading import Reading
from flashnotify.archive.reads.statistics import StatisticsReads
from flashnotify.archive.writer import Writer
from flashnotify.archive.writes.api_keys import ApiKeyWrites
from flashnotify.archive.writes.deliveries import DeliveryWrites
from flashnotify.archive.writes.devices import DeviceWrites
from flashnotify.archive.writes.jobs import JobWrites
from flashnotify.archive.writes.maintenance import MaintenanceWrites
from flashnotify.archive.writes.notifications import NotificationWrites


class SqlNotifications(NotificationReads, NotificationWrites):
    """Implements `Notifications`."""


class SqlDeliveries(DeliveryReads, DeliveryWrites):
    """Implements `Deliveries`."""


class SqlJobs(JobReads, JobWrites):
    """Implements `Jobs`."""


class SqlDevices(DeviceReads, DeviceWrites):
    """Implements `Devices`."""


class SqlApiKeys(ApiKeyReads, ApiKeyWrites):
    """Implements `ApiKeys`."""


class SqlArchive:
    """Implements `Archive` over connections that read, and the writer.

    `readers` are the connections for the work itself, `lists` those for people who look at it, so
    that many people looking never delay a delivery. `writer` is run and closed by its owner.
    """

    def __init__(self, readers: AsyncEngine, lists: AsyncEngine, writer: Writer) -> None:
        self._readings = (Reading(readers), Reading(lists))
        access = (*self._readings, writer)
        self.notifications = SqlNotifications(*access)
        self.deliveries = SqlDeliveries(*access)
        self.jobs = SqlJobs(*access)
        self.outbox = OutboxReads(*access)
        self.devices = SqlDevices(*access)
        self.api_keys = SqlApiKeys(*access)
        self.events = EventReads(*access)
        self.statistics = StatisticsReads(*access)
        self.maintenance = MaintenanceWrites(*access)
        self._writer = writer

    @property
    def overloaded(self) -> bool:
        """Whether the disk does not keep up, so that new work should be refused for now."""
        return self._writer.overloaded

    async def ping(self) -> None:
        """Read something.

        Raises:
            Unavailable: the archive cannot be read.
        """
        await self._readings[0].ping()

    async def close(self) -> None:
        """Close the connections that read, once the reads under way are done.

        To be called before the writer's are: the last connection to close checkpoints the log.
        """
        for reading in self._readings:
            await reading.close()
