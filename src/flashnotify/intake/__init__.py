"""The way in: checks, idempotency, the audience; what is accepted is on disk."""
