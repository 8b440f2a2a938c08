"""The open channels: their transports in failover order, and the breakers of those."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import structlog
from pydantic import SecretStr

from flashnotify import errors
from flashnotify.bounded_cache import BoundedCache
from flashnotify.channels.limiter import ConnectionLimiter
from flashnotify.channels.transport import Resources, Transport
from flashnotify.delivery.breaker import Breaker, BreakerState
from flashnotify.delivery.retry import RetryConfig
from flashnotify.domain import AttemptOutcome, Message, Sent
from flashnotify.meta import Config
from flashnotify.meta.specs import ChannelSpec

log = structlog.get_logger(__name__)

# What an open breaker means, in the log.
_FAILING = "it keeps failing and is probed from time to time; see /v1/channels"
_WRONG_SETTINGS = (
    "it refuses our settings (credentials, sender, URL): `flashnotify doctor` says which to fix"
)

# The outcome of an attempt; any other error is retryable.
_OUTCOMES: Mapping[type, AttemptOutcome] = {
    Sent: AttemptOutcome.sent,
    errors.Rejected: AttemptOutcome.rejected,
    errors.Misconfigured: AttemptOutcome.misconfigured,
    errors.InternalError: AttemptOutcome.error,
}
# Services behind one transport that have a breaker of their own. Callers name them.
_MAX_SERVICES = 1000


# How a send ends. The errors are a closed set.
SendResult: TypeAlias = Sent | errors.TransportError


@dataclass(frozen=True, slots=True)
class Service:
    """One of the services behind a transport: its breaker, and its share of the connections."""

    breaker: Breaker
    connections: ConnectionLimiter


@dataclass(frozen=True, slots=True)
class OpenTransport:
    """A transport in use, with its breaker.

    `name` identifies it in attempts and for those who may read: `smtp://host:25`,
    `msteams://it-team`. `label` says no more than its scheme, for metrics: `smtp`, `smtp 2`.
    `only` is the one address that it serves, if it serves one. `services` are the services behind
    it, if it has several; each has at most half of the connections.
    """

    name: str
    label: str
    channel: str
    transport: Transport[Any]
    breaker: Breaker
    only: str | None = None
    services: BoundedCache[str, Service] = field(
        default_factory=lambda: BoundedCache(_MAX_SERVICES, keep=lambda it: it.breaker.proven)
    )

    def serves(self, message: Message) -> bool:
        """Return whether the recipient can be reached this way."""
        return self.only in (None, message.to) and self.transport.serves(message)

    def service(self, message: Message | None) -> Service | None:
        """Return the service behind `message`, if the transport has several."""
        name = self.transport.service(message) if message is not None else None
        if name is None:
            return None
        share = max(1, self.transport.connections.total // 2)
        made = Service(self.breaker.sibling(), ConnectionLimiter(share))
        return self.services.setdefault(name, made)

    def breaker_for(self, message: Message | None) -> Breaker:
        """Return the breaker of the service behind `message`, or else of the transport."""
        service = self.service(message)
        return self.breaker if service is None else service.breaker

    def is_unproven(self, message: Message) -> bool:
        """Return whether the service behind `message` may be a stranger's that hangs."""
        service = self.service(message)
        return service is not None and not service.breaker.proven

    def connection(self, message: Message) -> AbstractAsyncContextManager[None]:
        """Hold one of the connections to the service, and so to the transport."""
        urgent = message.priority.urgent
        use = self.transport.connections.use(urgent=urgent)
        service = self.service(message)
        return use if service is None else _both(service.connections.use(urgent=urgent), use)

    @property
    def health(self) -> Breaker:
        """The breaker that shows the transport's health: of several services, the best one."""
        return min(
            (service.breaker for service in self.services.values()),
            key=lambda breaker: breaker.state is not BreakerState.closed,
            default=self.breaker,
        )

    def report(self, message: Message, result: SendResult) -> AttemptOutcome:
        """Report a result to the breaker, and return the outcome of the attempt."""
        breaker = self.breaker_for(message)
        before = breaker.state
        _report(breaker, result, urgent=message.priority.urgent)
        after = breaker.state
        # Without the provider's words, which may contain the recipient's address.
        if before is BreakerState.closed and after is not before:
            wrong = isinstance(result, errors.Misconfigured)
            log.warning(
                "transport.breaker_opened",
                channel=self.channel,
                transport=self.name,
                error=type(result).__name__,
                meaning=_WRONG_SETTINGS if wrong else _FAILING,
            )
        elif after is BreakerState.closed and after is not before:
            log.info("transport.breaker_closed", channel=self.channel, transport=self.name)
        known = (outcome for cls, outcome in _OUTCOMES.items() if isinstance(result, cls))
        return next(known, AttemptOutcome.retryable)


@asynccontextmanager
async def _both(
    first: AbstractAsyncContextManager[None], second: AbstractAsyncContextManager[None]
) -> AsyncIterator[None]:
    async with first, second:
        yield


def _report(breaker: Breaker, result: SendResult, *, urgent: bool) -> None:
    match result:
        case errors.Misconfigured():
            breaker.misconfigure(result.reason)
        case errors.Unreachable():
            breaker.failed(result.reason)
        case errors.NotTried() | errors.InternalError() | errors.Unsendable():
            breaker.abandoned(urgent=urgent)
        case _:
            breaker.succeeded()
    if isinstance(result, errors.Throttled) and result.after:
        breaker.pause(result.after, result.reason)


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """A channel with its settings and its transports, in failover order."""

    spec: ChannelSpec
    config: Config | None
    transports: Sequence[OpenTransport]

    def capacity(self, *, urgent: bool) -> int:
        """Return how many deliveries can be sent at once."""
        capacities = (t.transport.connections.capacity(urgent=urgent) for t in self.transports)
        return max(capacities, default=1)

    def wait(self, message: Message | None, *, urgent: bool) -> float | None:
        """Return the seconds until a breaker lets `message`, or any at all, go; 0 means now.

        Return None if no transport serves the recipient.
        """
        waits = [
            t.breaker_for(message).wait(urgent=urgent)
            for t in self.transports
            if message is None or t.serves(message)
        ]
        return min(waits, default=None)

    def is_unproven(self, message: Message) -> bool:
        """Return whether `message` may go to a service that has not answered yet."""
        return any(t.is_unproven(message) for t in self.transports if t.serves(message))

    def check_address(self, value: str) -> str:
        """Return the canonical form of an address. Raise `ValueError` if it is none."""
        address = self.spec.address.validate(value)
        self.spec.mixin.check_address(address, self.config)
        return str(address)


def open_channel(
    spec: ChannelSpec, known: Sequence[type[Transport[Any]]], resources: Resources
) -> OpenChannel:
    """Return a channel with the transports in its settings, or raise `SettingsError`.

    Raise `DeclarationError` if no transport is `known` for the channel.
    """
    if not known:
        raise errors.DeclarationError(
            f"{spec.mixin.__name__}: its channel {spec.name!r} has no transports; add them to "
            "TRANSPORTS in app/transports.py."
        )
    # A channel without settings has one transport, whose URL is its scheme.
    config = spec.config() if spec.config else None
    urls = config.transports if config else [(None, f"{known[0].schemes[0]}:")]
    # All are read, also those that no URL names: a wrong setting is reported at the start.
    settings = {cls: cls.config() if cls.config else None for cls in known}
    setting = spec.url_setting
    transports: list[OpenTransport] = []
    names, schemes = Counter[str](), Counter[str]()
    for only, url in urls:
        try:
            cls = _transport_class(url, known)
            transport = cls(cls.form(SecretStr(url)), settings[cls], resources)
        except errors.SettingsError as error:
            assert setting is not None
            place = f"{setting.env}: the URL of {only}" if only else f"{setting.env}:"
            raise errors.SettingsError(f"{place} {error}. {setting.hint}") from None
        # What tells two URLs apart may be a password or a path, so a number is used instead.
        name = _numbered(transport.name + (only or ""), names, " ({})")
        label = _numbered(url.partition(":")[0].lower(), schemes, " {}")
        breaker = Breaker(spec.breaker, resources.clock)
        transports.append(OpenTransport(name, label, spec.name, transport, breaker, only))
    if not transports and setting is not None and setting.default:
        raise errors.SettingsError(f"{setting.env}: names no transport. {setting.hint}")
    retry = RetryConfig().applied_to(spec.retry)
    return OpenChannel(replace(spec, retry=retry), config, transports)


def _numbered(name: str, used: Counter[str], suffix: str) -> str:
    """Return `name`, with a number from its second use on."""
    used[name] += 1
    return name if used[name] == 1 else name + suffix.format(used[name])


def _transport_class(url: str, known: Sequence[type[Transport[Any]]]) -> type[Transport[Any]]:
    """Return the transport class for the scheme of `url`; `*` stands for any scheme."""
    by_scheme = {scheme: cls for cls in known for scheme in cls.schemes}
    cls = by_scheme.get(url.partition(":")[0].lower(), by_scheme.get("*"))
    if cls is None:
        schemes = ", ".join(f"{scheme}:" for scheme in by_scheme)
        raise errors.SettingsError(f"has a URL with an unknown scheme; expected one of {schemes}")
    return cls
