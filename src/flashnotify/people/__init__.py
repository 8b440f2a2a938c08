"""People: their groups, preferences, and what they read."""
