"""Every read there is."""
