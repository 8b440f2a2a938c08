"""What can still be done with a notification once it is accepted."""
