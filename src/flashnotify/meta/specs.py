"""The frozen specs that declarations compile to, and that the rest of the program reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from flashnotify.domain import Priority, Rendering, Window
from flashnotify.meta.language_lookup import lookup

if TYPE_CHECKING:
    from jinja2 import Template

    from flashnotify.meta.descriptors import Field


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a delivery is retried. All times are in seconds.

    The wait before attempt n+1 is a random time up to `base * 2**(n-1)`, at most `cap` ("full
    jitter"), until `lifetime` has passed since the first attempt. For `critical` deliveries,
    the cap is `urgent_cap`, if that is less, for the first `urgent_period`, and the lifetime is
    `urgent_lifetime`, if that is more.
    """

    base: float = 2.0
    cap: float = 600.0
    lifetime: float = 24 * 3600.0
    urgent_cap: float = 30.0
    urgent_period: float = 2 * 3600.0
    urgent_lifetime: float = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a transport's breaker opens: after `failures` in a row, for `recovery` seconds.

    Urgent deliveries wait `urgent_recovery` seconds, if that is less.
    """

    failures: int = 5
    recovery: float = 30.0
    urgent_recovery: float = 5.0


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """One environment variable. Its attribute and type are known once its class is compiled."""

    default: Any
    help: str
    example: str
    env: str
    secret: bool
    attribute: str = ""
    type: str = ""

    @property
    def hint(self) -> str:
        """The end of an error's text: an example, as a shell and a file `.env` take it."""
        quote = "'" if re.search(r"[ <]", self.example) and self.example[:1] != "$" else ""
        return f"Example: {self.env}={quote}{self.example}{quote}"


@dataclass(frozen=True, slots=True)
class ConfigSpec:
    """A group of settings, compiled to a pydantic-settings model."""

    name: str
    settings: tuple[SettingSpec, ...]
    model: type[BaseModel]


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """A way to reach a person, as its mixin declares it.

    `parts` are the template parts that it needs, `send` the name of the coroutine function that
    sends. A channel that `rings` may wake people, so it observes the quiet hours of a kind.
    """

    name: str
    mixin: type[Any]
    scheme: str
    address: Field[Any]
    parts: tuple[str, ...]
    send: str
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    config: type[Any] | None = None
    tracked: bool = False
    rings: bool = False

    @property
    def url_setting(self) -> SettingSpec | None:
        """The setting that names the channel's transports; None if it has no settings."""
        if self.config is None:
            return None
        settings: tuple[SettingSpec, ...] = self.config.__config__.settings
        return next(setting for setting in settings if setting.attribute == "url")


# How long notifications are kept once they are over, unless their kind says otherwise.
DEFAULT_RETENTION = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class NotifierSpec:
    """A kind of notification, as its Notifier declares it.

    Channels that ring wait for the end of its `quiet_hours`, which are in campus time. People get
    it on its `default_channels` unless they choose others, and cannot opt out if it is `mandatory`.
    """

    kind: str
    summary: str
    notifier: type[Any]
    fields: Mapping[str, Field[Any]]
    priority: Priority
    channels: Mapping[str, ChannelSpec]
    request: type[BaseModel]
    quiet_hours: Window | None = None
    retention: timedelta = DEFAULT_RETENTION
    default_channels: frozenset[str] = frozenset()
    mandatory: bool = False
    # The scope that a sender of this kind needs, and the address schemes of its channels.
    scope: str = field(init=False)
    schemes: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scope", f"notify:{self.kind}")
        schemes = frozenset(channel.scheme for channel in self.channels.values())
        object.__setattr__(self, "schemes", schemes)

    @property
    def example(self) -> dict[str, Any]:
        """A harmless request of this kind, which the documentation shows."""
        title, body = self.notifier.example
        data = {name: field.example for name, field in self.fields.items() if field.example}
        return {
            "kind": self.kind,
            "title": title,
            "body": body,
            "to": ["mailto:ada@univ.example"],
            "priority": Priority.low.name,
            "data": data,
        }


@dataclass(frozen=True, slots=True)
class TemplatesSpec:
    """The parsed templates of a kind, by locale, then by part.

    `needed` are the optional fields that some template cannot render without.
    """

    kind: str
    locales: Mapping[str, Mapping[str, Template]]
    needed: frozenset[str]

    def render(self, locale: str, parts: tuple[str, ...], values: Mapping[str, Any]) -> Rendering:
        """Render `parts` in the best matching locale: `fr-CA`, then `fr`, then the first one."""
        found = self.nearest(locale)
        templates = self.locales[found]
        return Rendering(
            found, {part: templates[part].render(values, locale=found).strip() for part in parts}
        )

    def nearest(self, *wanted: str) -> str:
        """Return the first of these locales that a `wanted` one falls back to, or the first one."""
        return lookup(self.locales, *wanted) or next(iter(self.locales))
