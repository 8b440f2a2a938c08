"""Declarations: what the author of a kind, a channel or a transport imports.

A declaration is a class that is compiled, when it is created, into a frozen spec (`meta.specs`),
which the rest of the program finds in a registry (`meta.registry`).
"""

from flashnotify.meta.configs import Config as Config
from flashnotify.meta.configs import setting as setting
from flashnotify.meta.decorators import circuit_breaker as circuit_breaker
from flashnotify.meta.decorators import retrying as retrying
from flashnotify.meta.decorators import tracked as tracked
from flashnotify.meta.decorators import validated_config as validated_config
from flashnotify.meta.descriptors import Choice as Choice
from flashnotify.meta.descriptors import Email as Email
from flashnotify.meta.descriptors import Field as Field
from flashnotify.meta.descriptors import Id as Id
from flashnotify.meta.descriptors import Moment as Moment
from flashnotify.meta.descriptors import Priority as Priority
from flashnotify.meta.descriptors import Slug as Slug
from flashnotify.meta.descriptors import Text as Text
from flashnotify.meta.descriptors import TimeWindow as TimeWindow
from flashnotify.meta.metaclasses import Channel as Channel
from flashnotify.meta.metaclasses import Notifier as Notifier
from flashnotify.meta.phone import Phone as Phone
from flashnotify.meta.special_domains import is_special_domain as is_special_domain
from flashnotify.meta.special_domains import is_within as is_within
from flashnotify.meta.templates import Templates as Templates
from flashnotify.meta.templates import Wording as Wording
from flashnotify.meta.text import check_text as check_text
