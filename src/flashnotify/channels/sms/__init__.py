"""The SMS channel, its texts and its transports."""
