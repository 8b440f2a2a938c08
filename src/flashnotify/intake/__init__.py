"""Accepting notifications: validation, idempotency, audience, storage."""
