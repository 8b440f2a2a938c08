"""The chat channel and its transport."""
