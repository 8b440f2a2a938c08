"""The kinds of notification, a module each. Importing this package registers them."""

from flashnotify.kinds import academic as academic
from flashnotify.kinds import administrative as administrative
from flashnotify.kinds import digest as digest
from flashnotify.kinds import health as health
from flashnotify.kinds import infrastructure as infrastructure
from flashnotify.kinds import security as security
from flashnotify.kinds import weather as weather
