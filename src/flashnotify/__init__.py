"""FlashNotify: the notification service of a campus."""

__version__ = "0.1.0"
