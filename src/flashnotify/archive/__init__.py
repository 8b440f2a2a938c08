"""The archive: the database, which is the truth. One writer, separate readers."""
