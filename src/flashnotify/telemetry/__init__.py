"""Events, statistics, metrics and logs."""
