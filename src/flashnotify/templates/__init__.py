"""The wording of each kind, in each language, on each channel: a module for each kind."""

from flashnotify.templates import academic as academic
from flashnotify.templates import administrative as administrative
from flashnotify.templates import health as health
from flashnotify.templates import infrastructure as infrastructure
from flashnotify.templates import security as security
from flashnotify.templates import weather as weather
