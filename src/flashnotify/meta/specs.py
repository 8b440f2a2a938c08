"""What the declarations compile to: frozen values that the rest of the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from flashnotify.domain import Priority, Rendering, Window

if TYPE_CHECKING:
    from jinja2 import Template

    from flashnotify.meta.field import Field


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a delivery is tried again. All times in seconds.

    The wait before attempt n+1 is drawn from 0 to `base * 2**(n-1)`, at most `cap` ("full jitter"),
    until `lifetime` has passed since the first attempt.
    """

    base: float = 2.0
    cap: float = 600.0
    lifetime: float = 24 * 3600.0
    urgent_cap: float = 30.0
    urgent_lifetime: float = 2 * 3600.0


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a transport is left alone: after `failures` in a row, for `recovery` seconds.

    For `urgent_recovery` only, if it is less, by what is urgent.
    """

    failures: int = 5
    recovery: float = 30.0
    urgent_recovery: float = 5.0


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """One environment variable: its name, type, default and what a person needs to set it."""

    env: str
    attribute: str
    type: str
    default: Any
    help: str
    example: str
    secret: bool


@dataclass(frozen=True, slots=True)
class ConfigSpec:
    """A group of settings, compiled to a pydantic-settings model."""

    name: str
    settings: tuple[SettingSpec, ...]
    model: type[BaseModel]


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """A way to reach a person, as its mixin declares it.

    `parts` are the names of the texts it needs of a template, `send` the name of what
    sends; `blocking` if that is no coroutine, so that it needs a thread. A channel that `rings` may
    wake people: it keeps to the quiet hours of a kind.
    """

    name: str
    mixin: type[Any]
    scheme: str
    address: Field[Any]
    parts: tuple[str, ...]
    send: str
    blocking: bool = False
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    config: type[Any] | None = None
    tracked: bool = False
    rings: bool = False


@dataclass(frozen=True, slots=True)
class NotifierSpec:
    """A kind of notification, as its Notifier declares it.

    In its `quiet_hours`, in the time of the campus, channels that ring wait.
    """

    kind: str
    summary: str
    notifier: type[Any]
    fields: Mapping[str, Field[Any]]
    priority: Priority
    channels: Mapping[str, ChannelSpec]
    request: type[BaseModel]
    quiet_hours: Window | None = None
    retention: timedelta = timedelta(days=365)

    @property
    def scope(self) -> str:
        """The permission that sending this kind needs."""
        return f"notify:{self.kind}"

    @property
    def schemes(self) -> frozenset[str]:
        """The address schemes that reach somebody through this kind's channels."""
        return frozenset(channel.scheme for channel in self.channels.values())


@dataclass(frozen=True, slots=True)
class TemplatesSpec:
    """The parsed templates of a kind: by locale, then by part.

    `needed` are the fields that some template uses without asking first whether they are there.
    """

    kind: str
    locales: Mapping[str, Mapping[str, Template]]
    needed: frozenset[str]

    def render(self, locale: str, parts: tuple[str, ...], values: Mapping[str, Any]) -> Rendering:
        """Render `parts` in the nearest locale there is: `fr-CA`, then `fr`, then the first one."""
        found = self.nearest(locale)
        templates = self.locales[found]
        return Rendering(
            found, {part: templates[part].render(values, locale=found).strip() for part in parts}
        )

    def nearest(self, locale: str) -> str:
        """The locale of these templates that serves `locale` best (RFC 4647, section 3.4)."""
        known = {name.lower(): name for name in self.locales}
        tags = locale.replace("_", "-").lower().split("-")
        for length in range(len(tags), 0, -1):
            candidate = "-".join(tags[:length])
            if candidate in known:
                return known[candidate]
        return next(iter(self.locales))
