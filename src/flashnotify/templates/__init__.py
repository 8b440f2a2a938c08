"""The wording of each kind, in each language, on each channel: a module for each kind."""

from flashnotify.templates import (
    academic,
    administrative,
    health,
    infrastructure,
    security,
    weather,
)

__all__ = ["academic", "administrative", "health", "infrastructure", "security", "weather"]
