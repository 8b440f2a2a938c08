"""Programs that do the same work as FlashNotify, each in a file."""
