"""The archive: the database, which is the source of truth. One writer, separate readers."""
