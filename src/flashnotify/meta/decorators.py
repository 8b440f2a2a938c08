"""Decorators that attach a policy to a channel's spec, where it differs from the default.

They wrap nothing and return the same class. The runtime (retry, breaker, metrics, settings) reads
the policy from the spec.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from flashnotify.errors import DeclarationError
from flashnotify.meta.configs import Config
from flashnotify.meta.metaclasses import Channel
from flashnotify.meta.specs import BreakerPolicy, RetryPolicy

C = TypeVar("C", bound=type[Channel])


def circuit_breaker(*, failures: int, recovery: float) -> Callable[[C], C]:
    """Open a transport's breaker for `recovery` seconds after `failures` in a row."""
    return _attach("circuit_breaker", breaker=BreakerPolicy(failures, recovery))


def retrying(
    *, base: float = 2.0, cap: float = 600.0, lifetime: float = 24 * 3600.0, urgent: bool = True
) -> Callable[[C], C]:
    """Retry for `lifetime` seconds, with waits of `base` seconds doubling to `cap` seconds.

    `urgent=False` retries `critical` deliveries like all others, not faster at first.
    """
    policy = RetryPolicy(base, cap, lifetime)
    if not urgent:
        policy = replace(policy, urgent_cap=cap)
    return _attach("retrying", retry=policy)


def validated_config(config: type[Config]) -> Callable[[C], C]:
    """Read and check the channel's settings when the service starts."""
    return _attach("validated_config", config=config)


def tracked(cls: C) -> C:
    """Measure the channel's attempts: number, outcome and duration."""
    return _attach("tracked", tracked=True)(cls)


def _attach(decorator: str, **policy: Any) -> Callable[[C], C]:
    def attach(cls: C) -> C:
        if "__channel__" not in vars(cls):
            raise DeclarationError(
                f"@{decorator} on {cls.__qualname__}: is only for channel mixins, "
                'declared with `channel="…"`.'
            )
        cls.__channel__ = replace(cls.__channel__, **policy)
        return cls

    return attach
