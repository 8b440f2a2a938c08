"""Prometheus metrics, with labels from the declarations."""

from collections.abc import Iterable
from functools import partial
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from flashnotify.archive.statistics_records import Waiting
from flashnotify.domain import Lane, Priority, WaitReason
from flashnotify.meta.specs import NotifierSpec
from flashnotify.telemetry.statistics import seconds_due

# The `channel` label of fan-out jobs.
FAN_OUT = "fan-out"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of one service, in their own registry.

    Anyone may read them, so transports have labels without host names unless `transport_names`.
    """

    def __init__(self, kinds: Iterable[NotifierSpec], *, transport_names: bool = False) -> None:
        self._transport_names = transport_names
        self.registry = CollectorRegistry()
        gauge = partial(Gauge, registry=self.registry)
        lane, transport = ("channel", "priority"), ("channel", "transport")
        accepted = Counter(
            "flashnotify_notifications_accepted",
            "Notifications accepted.",
            ("kind", "priority"),
            registry=self.registry,
        )
        self.attempts = Histogram(
            "flashnotify_attempt_seconds",
            "Duration of delivery attempts on tracked channels.",
            (*transport, "outcome"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.queue_depth = gauge("flashnotify_queue_depth", "Jobs waiting in memory.", lane)
        self.queue_age = gauge(
            "flashnotify_queue_oldest_seconds",
            "How long the oldest job of a lane has been due, in memory or on disk.",
            lane,
        )
        reason = (*lane, "reason")
        self.waiting = gauge(
            "flashnotify_waiting",
            "Deliveries that wait, in memory or on disk, by reason; of fan-outs, notifications.",
            reason,
        )
        self.waiting_age = gauge(
            "flashnotify_waiting_oldest_seconds",
            "Age of the oldest delivery that waits for a reason.",
            reason,
        )
        self.threads_busy = gauge(
            "flashnotify_threads_busy", "Threads in a blocking call that is within its deadline."
        )
        self.threads_lost = gauge(
            "flashnotify_threads_lost", "Threads held by a blocking call past its deadline."
        )
        self.threads_depth = gauge(
            "flashnotify_threads_depth", "Blocking calls waiting for a thread.", ("lane",)
        )
        self.breaker_open = gauge(
            "flashnotify_breaker_open",
            "1 while the circuit breaker of a transport is not closed.",
            transport,
        )
        self.ready = gauge(
            "flashnotify_part_ready", "1 while a part of the service works.", ("part",)
        )
        # Create all series at the start, so that a rate never misses the first event.
        self.accepted = {
            (kind.kind, priority): accepted.labels(kind.kind, priority.name)
            for kind in kinds
            for priority in Priority
        }

    def transport(self, name: str, label: str) -> str:
        """Return what a transport is called here."""
        return name if self._transport_names else label

    def set_waiting(self, waiting: Iterable[Waiting], lanes: Iterable[Lane], now: int) -> None:
        """Show what waits at `now` (ms since the epoch), and zero for every other lane and reason.

        An alert then ends when nothing waits any more.
        """
        found = {(held.lane, held.reason): held for held in waiting}
        for lane, reason in {*product(lanes, WaitReason), *found}:
            labels = (lane.channel or FAN_OUT, lane.priority.name, reason)
            held = found.get((lane, reason))
            self.waiting.labels(*labels).set(held.number if held else 0)
            self.waiting_age.labels(*labels).set(seconds_due(held.since, now) if held else 0)

    def exposition(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self.registry)
