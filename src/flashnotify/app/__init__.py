"""The composition root: alone knows which notifiers, channels and transports exist."""

from flashnotify import kinds
from flashnotify.app.service import Service
from flashnotify.app.transports import TRANSPORTS

__all__ = ["DECLARATIONS", "TRANSPORTS", "Service"]

# Importing them registers them.
DECLARATIONS = (kinds,)
