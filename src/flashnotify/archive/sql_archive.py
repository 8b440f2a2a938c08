"""The archive in a SQL database."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from flashnotify.archive import (
    cost_centre_port,
    explanation_ports,
    identity_ports,
    inbox_ports,
    people_ports,
    ports,
    provisioning_ports,
)
from flashnotify.archive.erasure_port import PersonalData
from flashnotify.archive.identity_models import ApiKey
from flashnotify.archive.sql.acknowledgements import SqlAcknowledgements
from flashnotify.archive.sql.api_keys import SqlApiKeys
from flashnotify.archive.sql.audit import SqlAuditLog
from flashnotify.archive.sql.cost_centres import SqlCostCentres
from flashnotify.archive.sql.deliveries import SqlDeliveries
from flashnotify.archive.sql.devices import SqlDevices
from flashnotify.archive.sql.digests import SqlDigests
from flashnotify.archive.sql.directory import SqlDirectory
from flashnotify.archive.sql.erasure import SqlPersonalData
from flashnotify.archive.sql.events import SqlEvents
from flashnotify.archive.sql.explanations import SqlExplanations
from flashnotify.archive.sql.groups import SqlGroups
from flashnotify.archive.sql.imports import SqlImports
from flashnotify.archive.sql.inbox import SqlInbox
from flashnotify.archive.sql.jobs import SqlJobs
from flashnotify.archive.sql.lists import Lists
from flashnotify.archive.sql.maintenance import SqlMaintenance
from flashnotify.archive.sql.notifications import SqlNotifications
from flashnotify.archive.sql.outbox import SqlOutbox
from flashnotify.archive.sql.phone_confirmations import SqlPhoneConfirmations
from flashnotify.archive.sql.preferences import SqlPreferences
from flashnotify.archive.sql.provisioning import SqlProvisioning
from flashnotify.archive.sql.reading import Reading
from flashnotify.archive.sql.refused_addresses import SqlRefusedAddresses
from flashnotify.archive.sql.sessions import SqlSessions
from flashnotify.archive.sql.statistics import SqlStatistics
from flashnotify.archive.sql.token_families import SqlTokenFamilies
from flashnotify.archive.sql.users import SqlUsers
from flashnotify.archive.statistics_port import Statistics
from flashnotify.archive.writer import Writer


class SqlArchive(ports.Archive, identity_ports.IdentityArchive, people_ports.PeopleArchive):
    """Implements the ports of the archive over connections that read, and the writer.

    `readers` are the connections for the work itself, `lists` those for people who look at it, so
    that many people looking never delay a delivery. `writer` is run and closed by its owner.
    """

    def __init__(self, readers: AsyncEngine, lists: AsyncEngine, writer: Writer) -> None:
        self._readings = (Reading(readers), Lists(lists))
        self._writer = writer
        access = (*self._readings, writer)
        self.notifications: ports.Notifications = SqlNotifications(*access)
        self.deliveries: ports.Deliveries = SqlDeliveries(*access)
        self.jobs: ports.Jobs = SqlJobs(*access)
        self.outbox: ports.Outbox = SqlOutbox(*access)
        self.devices: ports.Devices = SqlDevices(*access)
        self.api_keys: ports.ApiKeys = SqlApiKeys(*access)
        self.events: ports.Events = SqlEvents(*access)
        self.statistics: Statistics = SqlStatistics(*access)
        self.maintenance: ports.Maintenance = SqlMaintenance(*access)
        self.directory: people_ports.Directory = SqlDirectory(*access)
        self.groups: people_ports.Groups = SqlGroups(*access)
        self.acknowledgements: people_ports.Acknowledgements = SqlAcknowledgements(*access)
        self.preferences: people_ports.PreferencesOfPeople = SqlPreferences(*access)
        self.refused_addresses: people_ports.RefusedAddresses = SqlRefusedAddresses(*access)
        self.phone_confirmations: people_ports.PhoneConfirmations = SqlPhoneConfirmations(*access)
        self.cost_centres: cost_centre_port.CostCentres = SqlCostCentres(*access)
        self.inbox: inbox_ports.Inbox = SqlInbox(*access)
        self.explanations: explanation_ports.Explanations = SqlExplanations(*access)
        self.personal_data: PersonalData = SqlPersonalData(*access)
        self.imports: people_ports.Imports = SqlImports(*access)
        self.provisioning: provisioning_ports.Provisioning = SqlProvisioning(*access)
        self.digests: people_ports.Digests = SqlDigests(*access)
        self.users: identity_ports.Users = SqlUsers(*access)
        self.sessions: identity_ports.Sessions = SqlSessions(*access)
        self.token_families: identity_ports.TokenFamilies = SqlTokenFamilies(*access)
        self.audit: identity_ports.AuditLog = SqlAuditLog(*access)

    @property
    def overloaded(self) -> bool:
        return self._writer.overloaded

    async def room(self) -> None:
        await self._writer.room()

    async def ping(self) -> None:
        await self._readings[0].value(select(ApiKey.id).limit(1))
        await self._writer.check()

    async def close(self) -> None:
        """Close the connections that read, once the reads under way are done.

        To be called before the writer's are: the last connection to close checkpoints the log.
        """
        for reading in self._readings:
            await reading.close()
