"""What delivers: the workers of each channel and of the fan-out, and what they work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from flashnotify.app.acknowledging import acknowledgements_of, links_of
from flashnotify.delivery.executor import Executor
from flashnotify.delivery.fan_out import FanOut
from flashnotify.delivery.planner import Planner
from flashnotify.delivery.recipients import Recipients
from flashnotify.delivery.rendering import Renderer
from flashnotify.delivery.routing import Routing
from flashnotify.delivery.sender import Sender
from flashnotify.domain import Job
from flashnotify.intake.resolution import Resolution
from flashnotify.intake.sms_cost import SmsCosts
from flashnotify.meta.registry import INTERNAL_TEMPLATES
from flashnotify.people.sms_credit import SmsCredit
from flashnotify.runtime.digests import Digests
from flashnotify.runtime.worker_pool import WorkerPool

if TYPE_CHECKING:
    from flashnotify.app.service import Service

# Tasks that fan notifications out.
_FAN_OUTS = 4


def worker_pools(service: Service, sender: Sender) -> Mapping[str, WorkerPool]:
    """Return the workers of each channel, and those that fan notifications out."""
    config, archive, clock, ids = service.config, service.archive, service.clock, service.ids
    kinds, channels, dispatch = service.every_kind, service.channels, service.dispatch
    in_flight, decider = service.in_flight, service.decider
    renderer = _renderer(service)
    acknowledgements = acknowledgements_of(service)
    executor = Executor(
        *(archive, archive.directory, kinds, channels, decider, renderer, sender, in_flight, clock),
        ids,
        link=links_of(service).link,
        acknowledgements=acknowledgements,
        unsubscribe_links=service.unsubscribe_links,
        most_strangers=config.workers // 2,
    )
    fan_out = FanOut(
        archive, Recipients(archive.directory, acknowledgements), service.planner, clock
    )

    async def fan_out_or_batch(job: Job, release: Callable[[], None]) -> int | None:
        # Batches of a channel that is no longer declared come here too, to end as skipped.
        if job.channel is not None:
            return await executor.execute(job, release)
        await fan_out.execute(job)
        return None

    def pool(channel: str | None) -> WorkerPool:
        size, execute = config.workers, executor.execute
        if channel is None:
            size, execute = _FAN_OUTS, fan_out_or_batch
        queue = dispatch.queue(channel)
        return WorkerPool(size, queue, execute, dispatch.wake_up, in_flight, clock)

    return {f"workers {channel or 'fan-out'}": pool(channel) for channel in (None, *channels)}


def _renderer(service: Service) -> Renderer:
    # UTC is no campus's time: while none is set, a sender's own offset is nearer to it.
    local = service.zone if service.config.timezone != "UTC" else None
    wordings = service.wordings.with_others(INTERNAL_TEMPLATES)
    return Renderer(service.every_kind, wordings, local)


def sms_costs_of(service: Service) -> SmsCosts:
    """Return what charges SMS to cost centres."""
    archive, zone = service.archive, service.zone
    recipients = Recipients(archive.directory, acknowledgements_of(service))
    return SmsCosts(
        Resolution(recipients, service.planner.routing),
        *(_renderer(service), service.channels.get("sms"), links_of(service).link),
        *(SmsCredit(archive.cost_centres, service.clock, zone), zone),
    )


def planner_of(service: Service) -> Planner:
    """Return what plans the deliveries of a notification."""
    dispatch, clock, ids = service.dispatch, service.clock, service.ids
    routing = Routing({name: channel.spec for name, channel in service.channels.items()})
    return Planner(service.every_kind, routing, service.decider, dispatch, clock, ids)


def digests_of(service: Service) -> Digests:
    """Return what sends people their digests."""
    archive, kind = service.archive, service.every_kind["digest"]
    stored = (archive, archive.digests, archive.directory)
    return Digests(
        *(*stored, service.planner, kind, service.clock, service.ids, service.config.locale)
    )
