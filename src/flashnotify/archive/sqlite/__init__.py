"""What only SQLite has: engine, lock, backup, inspection."""
