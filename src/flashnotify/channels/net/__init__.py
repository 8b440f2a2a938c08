"""HTTP to the outside: the client, name look-ups, and which addresses may be connected to."""
