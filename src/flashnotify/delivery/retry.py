"""The settings of the retry policy."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from flashnotify.meta import Config, setting
from flashnotify.meta.specs import RetryPolicy

_HOUR = 3600.0


class RetryConfig(Config):
    """How long, and how often, a delivery that fails is tried again."""

    hours: Annotated[float, Field(gt=0, le=720)] = setting(
        24.0,
        env="RETRY_HOURS",
        help="Hours for which a delivery is retried (push that is not critical: at most 6).",
        example="48",
    )
    max_wait: Annotated[float, Field(ge=1, le=86_400)] = setting(
        600.0,
        env="RETRY_MAX_WAIT",
        help="Longest wait between two attempts, in seconds; waits begin at 2 s and double.",
        example="1800",
    )
    critical_max_wait: Annotated[float, Field(ge=1, le=3600)] = setting(
        30.0,
        env="RETRY_CRITICAL_MAX_WAIT",
        help="Longest wait of critical deliveries, in seconds, during RETRY_CRITICAL_HOURS.",
        example="15",
    )
    critical_hours: Annotated[float, Field(ge=0, le=720)] = setting(
        2.0,
        env="RETRY_CRITICAL_HOURS",
        help="Hours after which critical deliveries are retried at the pace of the others.",
        example="4",
    )

    def applied_to(self, declared: RetryPolicy) -> RetryPolicy:
        """Return the policy of a channel: these settings, but what it declares itself stays."""
        usual = RetryPolicy()
        ours = {
            "cap": self.max_wait,
            "lifetime": self.hours * _HOUR,
            "urgent_cap": self.critical_max_wait,
            "urgent_period": self.critical_hours * _HOUR,
            "urgent_lifetime": self.hours * _HOUR,
        }
        own = {name for name in ours if getattr(declared, name) != getattr(usual, name)}
        return replace(declared, **{name: ours[name] for name in ours.keys() - own})
