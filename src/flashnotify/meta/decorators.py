"""Decorators that attach a policy to a declaration's spec.

They wrap nothing: the class they return is the class they got. The runtime (retry, breaker,
metrics, settings) reads the policy from the spec.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from flashnotify.errors import DeclarationError
from flashnotify.meta.configs import Config
from flashnotify.meta.metaclasses import Channel
from flashnotify.meta.specs import BreakerPolicy, RetryPolicy

C = TypeVar("C", bound=type[Channel])


def circuit_breaker(*, failures: int, recovery: float) -> Callable[[C], C]:
    """Leave a transport of this channel alone for `recovery` s after `failures` in a row."""
    return _attach("circuit_breaker", breaker=BreakerPolicy(failures, recovery))


def retrying(
    *, base: float = 2.0, cap: float = 600.0, lifetime: float = 24 * 3600.0
) -> Callable[[C], C]:
    """Try deliveries again, for `lifetime` s: waits of `base` s doubling to `cap` s."""
    return _attach("retrying", retry=RetryPolicy(base, cap, lifetime))


def validated_config(config: type[Config]) -> Callable[[C], C]:
    """Read and check the settings of this channel when the service starts."""
    return _attach("validated_config", config=config)


def tracked(cls: C) -> C:
    """Measure the attempts of this channel: count, outcome and duration."""
    attached: C = _attach("tracked", tracked=True)(cls)
    return attached


def _attach(decorator: str, **policy: Any) -> Callable[[Any], Any]:
    def attach(cls: Any) -> Any:
        if "__channel__" not in vars(cls):
            raise DeclarationError(
                f"@{decorator} on {cls.__qualname__}: goes on a channel mixin, "
                'declared with `channel="…"`.'
            )
        cls.__channel__ = replace(cls.__channel__, **policy)
        return cls

    return attach
