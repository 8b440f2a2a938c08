"""Reads of the archive, by resource."""
