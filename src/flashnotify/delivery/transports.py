"""The open transports of a channel: which there are, and in what state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from flashnotify.channels.transport import Resources, Transport
from flashnotify.delivery.breaker import Breaker, BreakerState
from flashnotify.domain import Message
from flashnotify.errors import SettingsError
from flashnotify.meta.configs import Config
from flashnotify.meta.specs import ChannelSpec

# Services behind one transport that have a breaker. Strangers name them.
_MOST_SERVICES = 1000


@dataclass(frozen=True, slots=True)
class Outlet:
    """An open transport and its breaker; `only` is the one address it is for, if it is for one.

    `name` is what attempts, metrics and readiness call it: `smtp://host:25`, `msteams://it-team`.
    `services` are the breakers of the services behind it, if it has several.
    """

    name: str
    transport: Transport[Any]
    breaker: Breaker
    only: str | None = None
    services: dict[str, Breaker] = field(default_factory=dict)

    def serves(self, message: Message) -> bool:
        """Whether the recipient can be reached this way."""
        return self.only in (None, message.to) and self.transport.serves(message)

    def breaker_for(self, message: Message) -> Breaker:
        """The breaker of whatever takes `message`: the transport, or one service behind it."""
        service = self.transport.service(message)
        if service is None:
            return self.breaker
        if service not in self.services:
            if len(self.services) >= _MOST_SERVICES:
                del self.services[next(iter(self.services))]
            self.services[service] = self.breaker.another()
        return self.services[service]

    @property
    def best(self) -> Breaker:
        """What to judge the transport by: of several services, the one that is best off."""
        return min(
            self.services.values(),
            key=lambda breaker: breaker.state is not BreakerState.closed,
            default=self.breaker,
        )


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """A channel with its settings and its transports, in the order they are tried."""

    spec: ChannelSpec
    config: Config | None
    outlets: Sequence[Outlet]

    def width(self, *, urgent: bool) -> int:
        """How many deliveries can be under way at once."""
        widths = (o.transport.connections.capacity(urgent=urgent) for o in self.outlets)
        return max(widths, default=1)

    @property
    def check_address(self) -> Callable[[str], str]:
        """What makes an address of this channel canonical, and refuses it with a ValueError."""

        def check(value: str) -> str:
            address = self.spec.address.validate(value)
            self.spec.mixin.check_address(address, self.config)
            return str(address)

        return check


def open_channel(
    spec: ChannelSpec, known: Sequence[type[Transport[Any]]], resources: Resources
) -> OpenChannel:
    """A channel with those of the `known` transports that its settings name.

    Raises:
        SettingsError: some URL cannot work.
    """
    assert spec.config is not None
    config = spec.config()
    # Read whether the URL names them or not: a wrong setting is told now, not when it is needed.
    settings = {made: made.config() if made.config else None for made in known}
    setting = next(s for s in spec.config.__config__.settings if s.attribute == "url")
    outlets: list[Outlet] = []
    names: Counter[str] = Counter()
    for only, url in config.transports:
        try:
            made = _transport(url, known)
            transport = made(made.form(SecretStr(url)), settings[made], resources)
        except SettingsError as error:
            of = f"{setting.env}: the URL of {only}" if only else f"{setting.env}:"
            raise SettingsError(f"{of} {error}. Example: {setting.env}={setting.example}") from None
        name = transport.name + (only or "")
        names[name] += 1
        if names[name] > 1:
            # What tells two URLs apart may be a password, or a path.
            name += f" ({names[name]})"
        outlets.append(Outlet(name, transport, Breaker(spec.breaker, resources.clock), only))
    if not outlets and setting.default:
        raise SettingsError(
            f"{setting.env}: names no transport. Example: {setting.env}={setting.example}"
        )
    return OpenChannel(spec, config, outlets)


def _transport(url: str, known: Sequence[type[Transport[Any]]]) -> type[Transport[Any]]:
    """The transport of a URL, by its scheme; `*` stands for any."""
    by_scheme = {scheme: made for made in known for scheme in made.schemes}
    made = by_scheme.get(url.partition(":")[0].lower(), by_scheme.get("*"))
    if made is None:
        schemes = ", ".join(f"{scheme}:" for scheme in by_scheme)
        raise SettingsError(f"has a URL of no known transport; the transports are {schemes}")
    return made
