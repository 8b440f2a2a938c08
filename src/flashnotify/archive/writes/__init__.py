"""Writes to the archive, by resource."""
