"""The other resources of an archive in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

from flashnotify.archive.api_key_records import ApiKey
from flashnotify.archive.identity_records import AuditEntry, AuditFilter
from flashnotify.archive.records import Event, OutboxFilter, OutboxMessage, Page, RegisteredDevice
from flashnotify.archive.statistics_records import Latency, Total, Waiting
from flashnotify.domain import DeliveryStatus, Device, Lane, WaitReason
from flashnotify.errors import WriteRefused
from tests.support.memory_state import State, matches, page

K = TypeVar("K")


class MemoryAuditLog:
    """Implements `AuditLog`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def append(self, entry: AuditEntry) -> None:
        async with self._state.write("audit.append"):
            self._state.append_entry(entry)

    async def last(self) -> AuditEntry | None:
        await self._state.read()
        return self._state.audit[-1] if self._state.audit else None

    async def page(
        self, wanted: AuditFilter, *, limit: int, cursor: str | None
    ) -> Page[AuditEntry]:
        await self._state.read()
        before = None if cursor is None else int(cursor)
        found = [
            entry
            for entry in reversed(self._state.audit)
            if (before is None or entry.number < before) and _is_wanted(entry, wanted)
        ]
        shown = found[:limit]
        return Page(shown, str(shown[-1].number) if len(found) > limit else None)

    async def after(self, number: int, limit: int) -> Sequence[AuditEntry]:
        await self._state.read()
        return self._state.audit[number : number + limit]


def _is_wanted(entry: AuditEntry, wanted: AuditFilter) -> bool:
    begins = wanted.action or ""
    is_action = entry.action.startswith(begins) and begins[-1:] in (".", "")
    within = (wanted.since is None or entry.at >= wanted.since) and (
        wanted.until is None or entry.at < wanted.until
    )
    same = ((entry.actor, wanted.actor), (entry.target, wanted.target))
    return within and matches(same) and (is_action or entry.action == wanted.action)


class MemoryOutbox:
    """Implements `Outbox`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def page(
        self, wanted: OutboxFilter, *, limit: int, cursor: str | None
    ) -> Page[OutboxMessage]:
        await self._state.read()
        id, channel = wanted.notification_id, wanted.channel
        found = [
            message
            for message in self._state.outbox.values()
            if matches(
                (
                    (message.notification_id, id),
                    (message.channel, channel),
                    (self._state.sender_of(message.notification_id), wanted.sender),
                )
            )
        ]
        return page(found, lambda m: m.id, limit, cursor)


class MemoryDevices:
    """Implements `Devices`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def register(self, device: RegisteredDevice) -> None:
        async with self._state.write("devices.register"):
            known = self._known(device.device.type, device.device.target)
            if known is not None:
                renewed = replace(device.device, id=known.device.id)
                device = replace(device, device=renewed, created_at=known.created_at)
            self._state.devices[device.device.id] = device

    async def remove(self, id: UUID) -> None:
        async with self._state.write("devices.remove"):
            self._state.devices.pop(id, None)

    async def find(self, id: UUID) -> RegisteredDevice | None:
        await self._state.read()
        return self._state.devices.get(id)

    async def find_target(self, type: str, target: str) -> RegisteredDevice | None:
        await self._state.read()
        return self._known(type, target)

    async def find_all(self, ids: Collection[UUID]) -> Mapping[UUID, Device]:
        await self._state.read()
        return {id: self._state.devices[id].device for id in ids if id in self._state.devices}

    async def page(
        self, *, limit: int, cursor: str | None, user_id: UUID | None = None
    ) -> Page[RegisteredDevice]:
        await self._state.read()
        every = self._state.devices.values()
        found = [device for device in every if user_id in (None, device.user_id)]
        return page(found, lambda d: d.device.id, limit, cursor)

    def _known(self, type: str, target: str) -> RegisteredDevice | None:
        for known in self._state.devices.values():
            if (known.device.type, known.device.target) == (type, target):
                return known
        return None


class MemoryApiKeys:
    """Implements `ApiKeys`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, key: ApiKey, entry: AuditEntry) -> None:
        async with self._state.write("api_keys.add"):
            self._state.append_entry(entry)
            if key.id in self._state.api_keys:
                raise WriteRefused("UNIQUE constraint failed: api_keys.id")
            self._state.api_keys[key.id] = key

    async def find(self, id: str) -> ApiKey | None:
        await self._state.read()
        return self._state.api_keys.get(id)

    async def all(self) -> Sequence[ApiKey]:
        await self._state.read()
        return sorted(self._state.api_keys.values(), key=lambda k: (k.created_at, k.id))

    async def rotate(self, id: str, secret_hmac: bytes, until: int, entry: AuditEntry) -> None:
        async with self._state.write("api_keys.rotate"):
            self._state.append_entry(entry)
            key = self._state.api_keys[id]
            self._state.api_keys[id] = replace(
                key,
                secret_hmac=secret_hmac,
                previous_hmac=key.secret_hmac,
                previous_expires_at=until,
            )

    async def revoke(self, id: str, now: int, entry: AuditEntry) -> None:
        async with self._state.write("api_keys.revoke"):
            self._state.append_entry(entry)
            key = self._state.api_keys.get(id)
            if key is not None and key.revoked_at is None:
                self._state.api_keys[id] = replace(key, revoked_at=now)

    def record_use(self, id: str, now: int, address: str | None) -> asyncio.Future[None]:
        def change() -> None:
            if id in self._state.api_keys:
                key = self._state.api_keys[id]
                used = replace(key, last_used_at=now, last_used_from=address)
                self._state.api_keys[id] = used

        return self._state.hand_over("api_keys.record_use", change)


class MemoryEvents:
    """Implements `Events`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def after(self, id: int, limit: int) -> Sequence[Event]:
        await self._state.read()
        found = [event for event in self._state.events if event.id > id][:limit]
        senders = (self._state.sender_of(event.notification_id) for event in found)
        return [replace(e, sender=sender) for e, sender in zip(found, senders, strict=True)]

    async def last(self) -> int:
        await self._state.read()
        return self._state.events[-1].id if self._state.events else 0

    async def latest(self) -> int | None:
        return self._state.events[-1].at if self._state.events else None

    def on_commit(self, call: Callable[[], None]) -> None:
        self._state.on_commit.append(call)


class MemoryStatistics:
    """Implements `Statistics`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def totals(self, since: int) -> Sequence[Total]:
        await self._state.read()
        sums: dict[tuple[str, str, str], int] = {}
        for (at, *key), number in self._state.totals.items():
            if at >= since:
                kind, channel, status = key
                sums[kind, channel, status] = sums.get((kind, channel, status), 0) + number
        return [Total(*key, number) for key, number in sorted(sums.items())]

    async def latencies(self, since: int) -> Sequence[Latency]:
        await self._state.read()
        buckets: dict[tuple[str, str], dict[int, int]] = {}
        failures: dict[tuple[str, str], int] = {}
        for (at, channel, transport, bucket, failed), number in self._state.latencies.items():
            if at >= since:
                of = (channel, transport)
                found = buckets.setdefault(of, {})
                found[bucket] = found.get(bucket, 0) + number
                failures[of] = failures.get(of, 0) + (number if failed else 0)
        return [
            Latency(*of, sum(found.values()), failures[of], found)
            for of, found in sorted(buckets.items())
        ]

    async def waiting(self) -> Sequence[Waiting]:
        await self._state.read()
        numbers: Counter[tuple[Lane, WaitReason]] = Counter()
        oldest: dict[tuple[Lane, WaitReason], int] = {}
        for scheduled in self._state.jobs.values():
            job, key = scheduled.job, (scheduled.job.lane, scheduled.waiting)
            held = (
                d.job_id == job.id
                for d in self._state.deliveries.values()
                if d.status is DeliveryStatus.queued
            )
            numbers[key] += 1 if job.channel is None else sum(held)
            oldest[key] = min(job.id.int >> 80, oldest.get(key, job.id.int >> 80))
        due = {
            lane: min(j.due_at for j in self._state.jobs.values() if j.job.lane == lane)
            for lane, _ in numbers
        }
        return [
            Waiting(
                lane,
                reason,
                number,
                due[lane] if reason is WaitReason.due else oldest[lane, reason],
            )
            for (lane, reason), number in sorted(
                numbers.items(), key=lambda found: _order(*found[0])
            )
            if number
        ]


class MemoryMaintenance:
    """Implements `Maintenance`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def purge_idempotency_keys(self, before: int, limit: int) -> bool:
        await self._state.read()
        old = [k for k, a in self._state.answers.items() if a.created_at < before][:limit]
        return await self._purge("idempotency_keys", self._state.answers, old)

    async def purge_token_families(self, before: int, limit: int) -> bool:
        """Purge nothing: families of tokens are only in SQL."""
        return False

    async def purge_phone_confirmations(self, before: int, limit: int) -> bool:
        """Purge nothing: confirmations are only in SQL."""
        return False

    async def purge_events(self, keep: int, limit: int) -> bool:
        await self._state.read()
        first = self._state.last_event - keep + 1
        old = [event for event in self._state.events if event.id < first][:limit]
        if not old:
            return False
        async with self._state.write("maintenance.purge_events"):
            self._state.events = self._state.events[len(old) :]
        return True

    async def purge_totals(self, before: int, span: int) -> bool:
        await self._state.read()
        totals = self._state.totals
        end = min(min((key[0] for key in totals), default=before) + span, before)
        return await self._purge("totals", totals, [key for key in totals if key[0] < end])

    async def purge_latencies(self, before: int, span: int) -> bool:
        await self._state.read()
        latencies = self._state.latencies
        end = min(min((key[0] for key in latencies), default=before) + span, before)
        return await self._purge("latencies", latencies, [key for key in latencies if key[0] < end])

    async def coarsen_totals(self, before: int, span: int) -> bool:
        return await self._coarsen("totals", self._state.totals, before, span)

    async def coarsen_latencies(self, before: int, span: int) -> bool:
        return await self._coarsen("latencies", self._state.latencies, before, span)

    async def _coarsen(self, name: str, counts: Counter[Any], before: int, span: int) -> bool:
        await self._state.read()
        finer = [key for key in counts if key[0] < before and key[0] % span]
        if not finer:
            return False
        start = min(at - at % span for at, *_ in finer)
        async with self._state.write(f"maintenance.coarsen_{name}"):
            for key in (key for key in finer if key[0] < start + span):
                counts[start, *key[1:]] += counts.pop(key)
        return True

    async def purge_sessions(self, created_before: int, seen_before: int, limit: int) -> bool:
        """Purge nothing: users and their sessions are only in SQL."""
        return False

    async def purge_notifications(
        self, kind: str | None, known: Collection[str], before: int, limit: int
    ) -> bool:
        await self._state.read()
        state = self._state
        old = [
            n.id
            for n in sorted(state.notifications.values(), key=lambda n: n.id)
            if (n.kind not in known if kind is None else n.kind == kind)
            and n.completed_at is not None
            and n.completed_at < before
        ]
        tables: tuple[MutableMapping[UUID, Any], ...] = (state.outbox, state.deliveries)
        for stored in tables:
            belonging = [id for id, row in stored.items() if row.notification_id in old]
            if belonging:
                for id in belonging[:limit]:
                    state.attempts.pop(id, None)
                return await self._purge("notifications", stored, belonging[:limit])
        for id in old[:limit]:
            state.counts.pop(id, None)
        return await self._purge("notifications", state.notifications, old[:limit])

    async def _purge(self, what: str, stored: MutableMapping[K, Any], old: Sequence[K]) -> bool:
        if not old:
            return False
        async with self._state.write(f"maintenance.purge_{what}"):
            for key in old:
                del stored[key]
        return True


def _order(lane: Lane, reason: WaitReason) -> tuple[str, int, str]:
    return lane.channel or "", lane.priority, reason
