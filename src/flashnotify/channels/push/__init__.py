"""The push channel and its transports."""
