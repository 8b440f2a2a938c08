"""People: the groups that they are in, and how they want to be notified."""
