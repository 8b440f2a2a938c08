"""The SQLite-specific part: engine, lock, backup, inspection."""
