"""The ports in SQL: a file for each resource, with its reads and its writes."""
