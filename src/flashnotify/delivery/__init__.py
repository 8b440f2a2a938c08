"""From an accepted notification to attempts: fan-out, routing, sending, dispositions."""
