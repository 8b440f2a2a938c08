"""The in-app channel."""
