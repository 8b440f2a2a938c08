"""What the service tells about itself: events, statistics, metrics, logs."""
