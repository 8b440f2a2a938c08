"""Cancelling and retrying accepted notifications."""
