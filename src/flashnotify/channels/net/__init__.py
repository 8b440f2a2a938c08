"""The HTTP client, name lookups, and the guard against non-public addresses."""
