"""The API of a service: what its endpoints work with."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from limits import parse as parse_rate
from starlette.types import ASGIApp

from flashnotify.api.acknowledgements import acknowledgements_router
from flashnotify.api.api_key_requests import ApiKeyIn, RotationIn
from flashnotify.api.api_keys import api_keys_router
from flashnotify.api.application import application
from flashnotify.api.audience import AudienceIn, audience_router
from flashnotify.api.audit import audit_router
from flashnotify.api.auth import Authentication
from flashnotify.api.batch import batch_router
from flashnotify.api.browser_sessions import BrowserSessions, Cookies
from flashnotify.api.cost_centres import CostCentreChange, CostCentreIn, cost_centres_router
from flashnotify.api.deliveries import deliveries_router
from flashnotify.api.device_requests import DEVICE_REQUESTS
from flashnotify.api.devices import devices_router
from flashnotify.api.events import events_router
from flashnotify.api.explain import explain_router
from flashnotify.api.group_members import MembersIn, SubgroupsIn, members_router
from flashnotify.api.groups import GroupChange, GroupIn, groups_router
from flashnotify.api.health import health_router
from flashnotify.api.inbox import inbox_router
from flashnotify.api.kinds import kinds_router
from flashnotify.api.notifications import control_router, notifications_router
from flashnotify.api.notify import text_router
from flashnotify.api.outbox import outbox_router
from flashnotify.api.passwords import PASSWORD_REQUESTS, passwords_router
from flashnotify.api.personal_data import ErasureConfirmation
from flashnotify.api.phone import PHONE_REQUESTS, phone_router
from flashnotify.api.preferences import PreferencesIn, preferences_router
from flashnotify.api.queue import queue_router
from flashnotify.api.receipts import receipts_router
from flashnotify.api.sessions import sessions_router
from flashnotify.api.statistics import statistics_router
from flashnotify.api.suspended_addresses import suspended_addresses_router
from flashnotify.api.token_requests import GRANTS, RevocationIn
from flashnotify.api.tokens import tokens_router
from flashnotify.api.topics import TopicIn, topics_router
from flashnotify.api.user_imports import ImportProgress
from flashnotify.api.users import PasswordIn, UserChange, UserIn, users_router
from flashnotify.app.acknowledging import acknowledgements_of
from flashnotify.app.delivering import sms_costs_of
from flashnotify.app.pages import pages_of
from flashnotify.app.people_files import people_csv_router, privacy_router
from flashnotify.app.scim import scim_router
from flashnotify.channels.net.address_guard import PublicAddresses
from flashnotify.channels.net.name_lookup import NameLookup
from flashnotify.channels.push.channel import PushNotificationMixin
from flashnotify.channels.push.webpush import WebPushConfig, WebPushTransport
from flashnotify.channels.sms.channel import SMSConfig
from flashnotify.control.cancel_and_retry import CancelAndRetry
from flashnotify.control.explain import Explain
from flashnotify.delivery.receipts import Receipts
from flashnotify.delivery.recipients import Recipients
from flashnotify.domain import USER
from flashnotify.identity.daily_recipients import RecipientLimits
from flashnotify.identity.devices import OwnedDevices
from flashnotify.identity.principal import known_scopes
from flashnotify.identity.rate_limits import RateLimits
from flashnotify.intake.audience import Audience
from flashnotify.intake.bulk import Bulk
from flashnotify.intake.idempotency import Idempotency
from flashnotify.intake.preview import Preview
from flashnotify.intake.reminders import Reminders
from flashnotify.intake.resolution import Resolution
from flashnotify.intake.submission import Submission
from flashnotify.intake.validation import Limits, Validation

if TYPE_CHECKING:
    from flashnotify.app.service import Service

# Bodies of the largest size for which there is memory at once.
_LARGEST_BODIES = 4


def api_of(service: Service) -> ASGIApp:
    """Return the ASGI app that serves the API of a service."""
    config, archive, clock, ids = service.config, service.archive, service.clock, service.ids
    kinds, channels, dispatch = service.kinds, service.channels, service.dispatch
    identity = service.identity
    keys = identity.keys
    submission, polling = _submission(service), service.long_polling
    purging = service.maintenance.purging
    control = CancelAndRetry(
        archive, dispatch, service.in_flight, clock, ids, purging, identity.audit
    )
    addresses, names = PublicAddresses(WebPushConfig().allowed_networks), NameLookup(service.names)
    web_push = (t for t in service.transports if isinstance(t, WebPushTransport))
    vapid_key = next((transport.public_key for transport in web_push), None)
    devices = OwnedDevices(archive.devices, archive.users, clock, ids)
    notifications, parts, metrics = archive.notifications, service.supervisor, service.metrics
    max_bytes, max_batch_bytes = config.max_request_bytes, config.max_batch_bytes
    routers = (
        batch_router(Bulk(submission, config.max_batch), max_batch_bytes, max_bytes),
        notifications_router(submission, notifications, polling, max_bytes),
        deliveries_router(archive, archive.directory, service.in_flight, channels, service.slices),
        control_router(control, notifications),
        acknowledgements_router(
            acknowledgements_of(service),
            Reminders(submission, archive.acknowledgements),
            notifications,
        ),
        outbox_router(
            *(archive.outbox, notifications, archive.directory, polling, service.slices),
            service.direct_messages.captured,
        ),
        receipts_router(Receipts(archive, clock, service.secret.proves, service.refused)),
        events_router(service.events),
        explain_router(
            Explain(archive, archive.directory, archive.explanations, kinds),
            *(notifications, archive.directory),
        ),
        inbox_router(archive.inbox, service.inbox_feed, clock),
        kinds_router(kinds.values(), channels),
        queue_router(archive.statistics, dispatch, archive.jobs, clock),
        statistics_router(archive.statistics, clock),
        devices_router(devices, addresses, names, vapid_key, service.slices),
        api_keys_router(
            *(keys, service.people.cost_centres, known_scopes(kinds.values()), channels),
            *(clock, max_bytes, service.slices),
        ),
        audit_router(identity.audit),
        tokens_router(identity.grants, keys, identity.sign_in, service.slices),
        sessions_router(identity.sessions),
        people_csv_router(service, max_batch_bytes),
        privacy_router(service),
        users_router(identity.users, kinds, max_bytes, service.slices),
        passwords_router(identity.users, identity.sign_in, identity.reset, service.slices),
        groups_router(
            *(service.people.groups, service.people.cost_centres, kinds),
            *(max_bytes, service.slices),
        ),
        cost_centres_router(
            *(service.people.cost_centres, submission.sms.credit, max_bytes, service.slices)
        ),
        members_router(service.people.groups, archive.directory, max_bytes, service.slices),
        audience_router(_preview(service), kinds, max_bytes, service.slices),
        topics_router(service.people.topics, channels, max_bytes, service.slices),
        suspended_addresses_router(service.refused, identity.audit),
        phone_router(service.people.phones, max_bytes, service.slices),
        preferences_router(service.people.preferences, max_bytes, service.slices),
        text_router(submission, notifications, polling, kinds, max_bytes, config.max_title_length),
        scim_router(service),
        health_router(parts, archive, dispatch, service.threads, channels, metrics, clock),
    )
    bodies = [
        *DEVICE_REQUESTS.values(),
        *GRANTS.values(),
        RevocationIn,
        ApiKeyIn,
        RotationIn,
        UserIn,
        UserChange,
        PasswordIn,
        ImportProgress,
        ErasureConfirmation,
        PreferencesIn,
        *PHONE_REQUESTS,
        GroupIn,
        GroupChange,
        MembersIn,
        SubgroupsIn,
        TopicIn,
        AudienceIn,
        CostCentreIn,
        CostCentreChange,
        *PASSWORD_REQUESTS,
    ]
    browsers = BrowserSessions(identity.sessions, Cookies(config.public_url))
    limits = RateLimits(parse_rate(config.rate_limit), clock)
    authentication = Authentication(keys, identity.tokens, browsers, limits)
    pages, error_page = pages_of(service, browsers)
    memory = _LARGEST_BODIES * max(max_batch_bytes, max_bytes)
    zone, proxies = service.zone, config.trusted_proxies
    prefix = urlsplit(config.public_url).path.rstrip("/")
    every = (*routers, *pages)
    return application(
        every, authentication, kinds, bodies, zone, memory, prefix, proxies, error_page
    )


def _audience(service: Service) -> Audience:
    channels = service.channels.values()
    return Audience(
        {c.spec.scheme: c.check_address for c in channels if c.spec.scheme != USER},
        {PushNotificationMixin.scheme: service.archive.devices.find_all},
        service.archive.directory,
        service.slices,
    )


def _preview(service: Service) -> Preview:
    segments = SMSConfig().max_segments
    resolution = Resolution(Recipients(service.archive.directory), service.planner.routing)
    return Preview(_audience(service), resolution, service.clock, service.ids, segments)


def _submission(service: Service) -> Submission:
    config, archive, clock = service.config, service.archive, service.clock
    audience = _audience(service)
    limits = Limits(config.max_title_length, config.max_body_bytes, config.max_recipients)
    validation = Validation(service.kinds, service.wordings, audience, limits, service.zone)
    once = Idempotency(archive.notifications, clock, service.slices)
    parts, planner, metrics = service.supervisor, service.planner, service.metrics
    return Submission(
        *(validation, archive, once, parts, planner, metrics, clock, service.ids, config.locale),
        service.slices,
        RecipientLimits(archive.api_keys, clock, service.zone),
        archive.directory,
        sms_costs_of(service),
    )
