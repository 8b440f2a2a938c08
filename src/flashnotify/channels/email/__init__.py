"""The email channel and its transport."""
