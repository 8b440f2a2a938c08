"""Declarations: what the author of a kind, a channel or a transport imports.

A declaration is a class that is compiled, when it is created, into a frozen spec (`meta.specs`),
which the rest of the program finds in a registry (`meta.registry`).
"""

from flashnotify.meta.bases import Channel, Notifier
from flashnotify.meta.configs import Config, setting
from flashnotify.meta.decorators import circuit_breaker, retrying, tracked, validated_config
from flashnotify.meta.descriptors import (
    Choice,
    Email,
    Field,
    Id,
    Moment,
    Phone,
    Priority,
    Slug,
    Text,
    TimeWindow,
)
from flashnotify.meta.templates import Templates, Wording
from flashnotify.meta.text import check_text

__all__ = [
    "Channel",
    "Choice",
    "Config",
    "Email",
    "Field",
    "Id",
    "Moment",
    "Notifier",
    "Phone",
    "Priority",
    "Slug",
    "Templates",
    "Text",
    "TimeWindow",
    "Wording",
    "check_text",
    "circuit_breaker",
    "retrying",
    "setting",
    "tracked",
    "validated_config",
]
